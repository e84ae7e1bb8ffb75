//! The control plane's programs, all in its namespace: store, API server, controllers, scheduler, name server, and our own.

use std::path::PathBuf;

use anyhow::{Context, Result};

use super::config_file::write;
use super::daemon::{self, Daemon};
use super::layout::{API_PORT, Layout};
use super::policies::ENFORCER;
use super::secrets;
use super::volumes::PROVISIONER;
use crate::kubelet;
use crate::tools::{COREDNS, Cache, KUBERNETES, Tool};

/// Name of the API server's daemon.
pub const API_SERVER: &str = "kube-apiserver";
const CONTROLLERS: &str = "kube-controller-manager";
const SCHEDULER: &str = "kube-scheduler";
/// The test-bed's own servers.
pub const SERVERS: [&str; 2] = [ENFORCER, PROVISIONER];
/// The program that brings test-beds up.
const TESTBED: &str = "testbed";

/// The store and the API server; everything else waits for the latter. Returns whether the latter was started.
pub fn start_server(layout: &Layout, cache: &Cache) -> Result<bool> {
    layout.store.ensure(layout, cache)?;
    daemon(layout, cache, &KUBERNETES, API_SERVER, api_server(layout)).ensure(layout)
}

/// Ends what has a former API server's silence behind it: each watch of it waits longer after each try in vain, and
/// while the new one loads its rules all are forbidden, so that pods could wait minutes to be scheduled.
pub fn stop_controllers(layout: &Layout) -> Result<()> {
    [CONTROLLERS, SCHEDULER]
        .into_iter()
        .try_for_each(|name| daemon::stop(layout, name))
}

/// What works through the API server.
pub fn start_controllers(layout: &Layout, cache: &Cache) -> Result<()> {
    daemon(layout, cache, &KUBERNETES, CONTROLLERS, controllers(layout)).ensure(layout)?;
    daemon(layout, cache, &KUBERNETES, SCHEDULER, scheduler(layout)).ensure(layout)?;
    let corefile = write_corefile(layout)?;
    let args = vec!["-conf".to_owned(), corefile.display().to_string()];
    let mut coredns = daemon(layout, cache, &COREDNS, "coredns", args);
    coredns.config = Some(corefile);
    coredns.ensure(layout)?;
    Ok(())
}

/// The test-bed's own servers: the program `testbed` itself. What they serve must be there.
pub fn start_servers(layout: &Layout) -> Result<()> {
    let own = std::env::current_exe().context("failed to find the running program")?;
    let program = match own.file_stem().is_some_and(|name| name == TESTBED) {
        true => own,
        false => kubelet::program(TESTBED)?,
    };
    for name in SERVERS {
        let server = Daemon {
            name: name.to_owned(),
            namespace: layout.control_namespace(),
            program: program.clone(),
            args: ["serve", name, &layout.state.display().to_string()]
                .map(str::to_owned)
                .to_vec(),
            path: Vec::new(),
            config: None,
        };
        server.ensure(layout)?;
    }
    Ok(())
}

fn daemon(layout: &Layout, cache: &Cache, tool: &Tool, program: &str, args: Vec<String>) -> Daemon {
    Daemon {
        name: program.to_owned(),
        namespace: layout.control_namespace(),
        program: cache.program(tool, program),
        args,
        path: Vec::new(),
        config: None,
    }
}

fn api_server(layout: &Layout) -> Vec<String> {
    let secret = |name: &str| layout.secrets().join(name).display().to_string();
    vec![
        format!("--etcd-servers={}", layout.store.urls()),
        format!("--bind-address={}", layout.control_address()),
        format!("--advertise-address={}", layout.control_address()),
        format!("--secure-port={API_PORT}"),
        format!("--service-cluster-ip-range={}", layout.services()),
        "--authorization-mode=Node,RBAC".to_owned(),
        "--enable-admission-plugins=NodeRestriction".to_owned(),
        "--allow-privileged=true".to_owned(),
        format!("--client-ca-file={}", secret("authority.crt")),
        format!("--tls-cert-file={}", secret("api-server.crt")),
        format!("--tls-private-key-file={}", secret("api-server.key")),
        format!(
            "--kubelet-certificate-authority={}",
            secret("authority.crt")
        ),
        format!(
            "--kubelet-client-certificate={}",
            secret("kubelet-client.crt")
        ),
        format!("--kubelet-client-key={}", secret("kubelet-client.key")),
        "--kubelet-preferred-address-types=InternalIP".to_owned(),
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local".to_owned(),
        format!("--service-account-key-file={}", secret("token.pub")),
        format!("--service-account-signing-key-file={}", secret("token.key")),
        "--profiling=false".to_owned(),
    ]
}

fn controllers(layout: &Layout) -> Vec<String> {
    let secret = |name: &str| layout.secrets().join(name).display().to_string();
    let kubeconfig = secret("controller-manager.kubeconfig");
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!(
            "--cert-dir={}",
            layout.state.join("controller-manager").display()
        ),
        "--use-service-account-credentials=true".to_owned(),
        format!("--root-ca-file={}", secret("authority.crt")),
        format!("--service-account-private-key-file={}", secret("token.key")),
        format!("--cluster-signing-cert-file={}", secret("authority.crt")),
        format!("--cluster-signing-key-file={}", secret("authority.key")),
        // A machine that loses power is noticed after 20 s, not 50.
        "--node-monitor-period=2s".to_owned(),
        "--node-monitor-grace-period=20s".to_owned(),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=200".to_owned(),
        "--kube-api-burst=400".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

fn scheduler(layout: &Layout) -> Vec<String> {
    let kubeconfig = secrets::of(layout, "scheduler").display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--cert-dir={}", layout.state.join("scheduler").display()),
        "--leader-elect=false".to_owned(),
        "--profiling=false".to_owned(),
    ]
}

/// Short lifetimes, also of a "no such name": a pod that has just become ready must be found at once.
fn write_corefile(layout: &Layout) -> Result<PathBuf> {
    let path = layout.state.join("Corefile");
    let text = format!(
        ".:53 {{
    errors
    ready {address}:8181
    cache 1 {{
        denial 1024 1 1
    }}
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        kubeconfig {kubeconfig}
        ttl 1
    }}
}}
",
        address = layout.control_address(),
        kubeconfig = secrets::of(layout, "coredns").display(),
    );
    write(&path, &text)?;
    Ok(path)
}
