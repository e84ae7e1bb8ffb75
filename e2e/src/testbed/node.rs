//! The programs of one node: containerd, kubelet, kube-proxy.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use serde_json::json;

use super::config_file::{write, write_json};
use super::daemon::Daemon;
use super::layout::{Layout, Node};
use super::{images, secrets};
use crate::tools::{CNI, CONTAINERD, Cache, KUBERNETES};

/// The kernel's limit of a socket's path leaves this much for the folder of the shims' sockets.
const SHIM_FOLDER_BYTES_MAX: usize = 38;

/// Names of a node's daemons, in the order they are started.
pub const PARTS: [&str; 3] = ["containerd", "kubelet", "kube-proxy"];

/// Folders that do not outlive the node's power: on a real machine they lie in memory.
pub fn volatile_folders(node: &Node) -> [PathBuf; 2] {
    ["run", "s"].map(|folder| node.folder.join(folder))
}

/// containerd, with its own root, state and sockets.
pub fn start_containerd(layout: &Layout, cache: &Cache, node: &Node) -> Result<()> {
    let folders = [
        "containerd",
        "run",
        "s",
        "network",
        "addresses",
        "kubelet",
        "pod-logs",
        "plugins",
    ];
    let folders = folders.map(|folder| node.folder.join(folder));
    for path in folders.into_iter().chain([node.volumes()]) {
        std::fs::create_dir_all(&path)
            .with_context(|| format!("failed to create {}", path.display()))?;
    }
    let config = node.folder.join("containerd.toml");
    write(&config, &containerd_config(cache, node)?)?;
    write_json(
        &node.folder.join("network/10-kluster.conflist"),
        &network_config(layout, node),
    )?;
    let args = vec!["--config".to_owned(), config.display().to_string()];
    let mut daemon = daemon(
        node,
        "containerd",
        cache.program(&CONTAINERD, "containerd"),
        args,
        config,
    );
    daemon.path = vec![cache.programs(&CONTAINERD)];
    daemon.ensure(layout)?;
    Ok(())
}

/// kubelet and kube-proxy; containerd must answer and the API server be ready.
pub fn start_kubernetes(layout: &Layout, cache: &Cache, node: &Node) -> Result<()> {
    let resolver = node.folder.join("resolv.conf");
    write(
        &resolver,
        &format!(
            "nameserver {}
",
            layout.control_address()
        ),
    )?;
    let kubelet = node.folder.join("kubelet.json");
    write_json(&kubelet, &kubelet_config(layout, node, &resolver))?;
    let args = vec![
        format!("--config={}", kubelet.display()),
        format!("--kubeconfig={}", secrets::of(layout, &node.name).display()),
        format!("--root-dir={}", node.folder.join("kubelet").display()),
        format!("--cert-dir={}", node.folder.join("kubelet/pki").display()),
        format!("--hostname-override={}", node.name),
        format!("--node-ip={}", node.address),
        format!(
            "--node-labels=topology.kubernetes.io/zone={},topology.kubernetes.io/region=kluster",
            node.zone
        ),
    ];
    daemon(
        node,
        "kubelet",
        cache.program(&KUBERNETES, "kubelet"),
        args,
        kubelet,
    )
    .ensure(layout)?;
    let proxy = node.folder.join("kube-proxy.json");
    write_json(&proxy, &proxy_config(layout, node))?;
    let args = vec![format!("--config={}", proxy.display())];
    daemon(
        node,
        "kube-proxy",
        cache.program(&KUBERNETES, "kube-proxy"),
        args,
        proxy,
    )
    .ensure(layout)?;
    Ok(())
}

fn daemon(node: &Node, part: &str, program: PathBuf, args: Vec<String>, config: PathBuf) -> Daemon {
    Daemon {
        name: node.daemon(part),
        namespace: node.namespace.clone(),
        program,
        args,
        path: Vec::new(),
        config: Some(config),
    }
}

fn containerd_config(cache: &Cache, node: &Node) -> Result<String> {
    let folder = node.folder.display();
    let shims = format!("{folder}/s");
    if shims.len() > SHIM_FOLDER_BYTES_MAX {
        bail!(
            "the state folder's path is too long for sockets ({shims}): at most {SHIM_FOLDER_BYTES_MAX} bytes"
        );
    }
    // restrict_oom_score_adj: where CAP_SYS_RESOURCE is missing, runc otherwise dies with a misleading message.
    // nri: its socket is the same for every containerd of a machine. opt: it would create a folder in /opt.
    Ok(format!(
        r#"version = 3
root = "{folder}/containerd"
state = "{folder}/run"
disabled_plugins = ["io.containerd.nri.v1.nri", "io.containerd.internal.v1.opt", "io.containerd.tracing.processor.v1.otlp"]

[grpc]
address = "{socket}"

[plugins."io.containerd.shim.v1.manager"]
socket_dir = "{shims}"

[plugins."io.containerd.cri.v1.images".pinned_images]
sandbox = "{pause}"

[plugins."io.containerd.cri.v1.runtime"]
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true

[plugins."io.containerd.cri.v1.runtime".cni]
bin_dirs = ["{plugins}"]
conf_dir = "{folder}/network"

[plugins."io.containerd.cri.v1.runtime".containerd]
default_runtime_name = "runc"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"

[plugins."io.containerd.cri.v1.runtime".containerd.runtimes.runc.options]
SystemdCgroup = false
Root = "{folder}/run/runc"
"#,
        socket = node.socket().display(),
        pause = images::PAUSE,
        plugins = cache.programs(&CNI).display(),
    ))
}

fn network_config(layout: &Layout, node: &Node) -> serde_json::Value {
    json!({
        "cniVersion": "1.0.0",
        "name": layout.prefix(),
        "plugins": [
            {
                "type": "bridge",
                "bridge": "pods",
                "isGateway": true,
                "ipMasq": false,
                "hairpinMode": true,
                "ipam": {
                    "type": "host-local",
                    "dataDir": node.folder.join("addresses"),
                    "ranges": [[{"subnet": node.pods}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "capabilities": {"portMappings": true}},
        ],
    })
}

fn kubelet_config(layout: &Layout, node: &Node, resolver: &Path) -> serde_json::Value {
    let secret = |name: &str| layout.secrets().join(name);
    json!({
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": false},
            "webhook": {"enabled": true},
            "x509": {"clientCAFile": secret("authority.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": secret(&format!("{}-serving.crt", node.name)),
        "tlsPrivateKeyFile": secret(&format!("{}-serving.key", node.name)),
        "address": node.address,
        "healthzPort": 0,
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": node.cgroup,
        "failCgroupV1": false,
        "failSwapOn": false,
        "enforceNodeAllocatable": [],
        // It says every fourth of this that it lives, well within the grace of the controller manager.
        "nodeLeaseDurationSeconds": 20,
        "nodeStatusUpdateFrequency": "5s",
        // A disk that others fill is no reason to evict, nor to throw away images that cannot be pulled again.
        "evictionHard": {},
        "imageGCHighThresholdPercent": 100,
        "imageGCLowThresholdPercent": 99,
        "clusterDNS": [layout.control_address()],
        "clusterDomain": "cluster.local",
        "resolvConf": resolver,
        "containerRuntimeEndpoint": format!("unix://{}", node.socket().display()),
        "podLogsDir": node.folder.join("pod-logs"),
        "volumePluginDir": node.folder.join("plugins"),
        "rotateCertificates": false,
    })
}

fn proxy_config(layout: &Layout, node: &Node) -> serde_json::Value {
    json!({
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "mode": "iptables",
        "clientConnection": {"kubeconfig": secrets::of(layout, "proxy")},
        "clusterCIDR": layout.pods(),
        "hostnameOverride": node.name,
        // These parameters belong to the machine, not to a namespace.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        "metricsBindAddress": "127.0.0.1:10249",
        "healthzBindAddress": "127.0.0.1:10256",
    })
}
