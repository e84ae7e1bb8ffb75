//! The flags of the control plane's programs.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::audit;
use crate::certificates::{
    Authority, IdentityFiles, TokenKeyFiles, write_private, write_token_key,
};
use crate::kubeconfig::{self, Credential};

/// The ports of one control plane, all on loopback.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ports {
    pub etcd: u16,
    pub etcd_peers: u16,
    pub api_server: u16,
    pub controller_manager: u16,
}

impl Ports {
    /// Four ports that are free now. Another process may take one before we do: the caller then tries again.
    pub fn draw() -> Result<Self> {
        let listen =
            || std::net::TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port");
        // All are held until all are drawn, so that they differ.
        let held = [listen()?, listen()?, listen()?, listen()?];
        let [etcd, etcd_peers, api_server, controller_manager] =
            held.each_ref().map(std::net::TcpListener::local_addr);
        Ok(Self {
            etcd: etcd?.port(),
            etcd_peers: etcd_peers?.port(),
            api_server: api_server?.port(),
            controller_manager: controller_manager?.port(),
        })
    }

    pub fn url(self) -> String {
        format!("https://127.0.0.1:{}", self.api_server)
    }
}

/// The files of one control plane.
#[derive(Clone, Debug)]
pub(super) struct Files {
    pub folder: PathBuf,
    pub authority: IdentityFiles,
    pub server: IdentityFiles,
    pub token_key: TokenKeyFiles,
    pub admin: PathBuf,
    pub controller_manager: PathBuf,
    pub audit_policy: PathBuf,
    pub audit_log: PathBuf,
}

impl Files {
    /// Draws keys, signs certificates and writes everything below `folder`.
    pub fn write(folder: &Path, url: &str) -> Result<Self> {
        let authority = Authority::generate("kluster-test")?;
        let server = authority.server(
            "kube-apiserver",
            &[
                "127.0.0.1",
                "10.96.0.1",
                "localhost",
                "kubernetes",
                "kubernetes.default",
                "kubernetes.default.svc",
            ],
        )?;
        let files = Self {
            folder: folder.to_owned(),
            authority: authority.identity().write(folder, "authority")?,
            server: server.write(folder, "server")?,
            token_key: write_token_key(folder)?,
            admin: folder.join("admin.kubeconfig"),
            controller_manager: folder.join("controller-manager.kubeconfig"),
            audit_policy: folder.join("audit-policy.json"),
            audit_log: folder.join("audit.log"),
        };
        write_private(&files.audit_policy, audit::POLICY)?;
        write_private(&files.audit_log, "")?;
        let clients = [
            (
                "admin",
                "kubernetes-admin",
                ["system:masters"].as_slice(),
                &files.admin,
            ),
            (
                "controller-manager",
                "system:kube-controller-manager",
                &[],
                &files.controller_manager,
            ),
        ];
        for (name, user, groups, path) in clients {
            let identity = authority.client(user, groups)?.write(folder, name)?;
            kubeconfig::write(
                path,
                url,
                &files.authority.certificate,
                &Credential::Certificate(identity),
            )?;
        }
        Ok(files)
    }
}

/// etcd: one member, without fsync (what a test writes need not survive the machine).
pub(super) fn etcd(files: &Files, ports: Ports) -> Vec<String> {
    let clients = etcd_url(ports);
    let peers = format!("http://127.0.0.1:{}", ports.etcd_peers);
    vec![
        "--name=kluster".to_owned(),
        format!("--data-dir={}", files.folder.join("etcd").display()),
        format!("--listen-client-urls={clients}"),
        format!("--advertise-client-urls={clients}"),
        format!("--listen-peer-urls={peers}"),
        format!("--initial-advertise-peer-urls={peers}"),
        format!("--initial-cluster=kluster={peers}"),
        "--unsafe-no-fsync=true".to_owned(),
        "--log-level=warn".to_owned(),
    ]
}

/// kube-apiserver, with RBAC and the audit log.
pub(super) fn api_server(files: &Files, ports: Ports, etcd_servers: &[String]) -> Vec<String> {
    let issuer = "https://kubernetes.default.svc";
    vec![
        format!("--etcd-servers={}", etcd_servers.join(",")),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.api_server),
        // A loopback address may not be advertised, and nothing here reads the advertised one.
        "--advertise-address=192.0.2.1".to_owned(),
        "--endpoint-reconciler-type=none".to_owned(),
        "--service-cluster-ip-range=10.96.0.0/16".to_owned(),
        "--authorization-mode=RBAC".to_owned(),
        "--allow-privileged=true".to_owned(),
        "--profiling=false".to_owned(),
        format!("--client-ca-file={}", files.authority.certificate.display()),
        format!("--tls-cert-file={}", files.server.certificate.display()),
        format!("--tls-private-key-file={}", files.server.key.display()),
        format!("--service-account-issuer={issuer}"),
        format!(
            "--service-account-key-file={}",
            files.token_key.public.display()
        ),
        format!(
            "--service-account-signing-key-file={}",
            files.token_key.private.display()
        ),
        format!("--audit-policy-file={}", files.audit_policy.display()),
        format!("--audit-log-path={}", files.audit_log.display()),
        "--audit-log-mode=blocking".to_owned(),
        "--audit-log-maxsize=10000".to_owned(),
    ]
}

/// kube-controller-manager with the given controllers (`*` is all that are on by default).
pub(super) fn controller_manager(files: &Files, ports: Ports, controllers: &str) -> Vec<String> {
    let kubeconfig = files.controller_manager.display();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--bind-address=127.0.0.1".to_owned(),
        format!("--secure-port={}", ports.controller_manager),
        format!("--cert-dir={}", files.folder.display()),
        "--use-service-account-credentials=true".to_owned(),
        format!(
            "--service-account-private-key-file={}",
            files.token_key.private.display()
        ),
        format!("--root-ca-file={}", files.authority.certificate.display()),
        format!(
            "--cluster-signing-cert-file={}",
            files.authority.certificate.display()
        ),
        format!(
            "--cluster-signing-key-file={}",
            files.authority.key.display()
        ),
        "--leader-elect=false".to_owned(),
        "--kube-api-qps=500".to_owned(),
        "--kube-api-burst=1000".to_owned(),
        "--profiling=false".to_owned(),
        format!("--controllers={controllers}"),
    ]
}

pub(super) fn etcd_url(ports: Ports) -> String {
    format!("http://127.0.0.1:{}", ports.etcd)
}
