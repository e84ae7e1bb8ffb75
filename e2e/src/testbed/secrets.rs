//! Keys, certificates and kubeconfig files of one test-bed: drawn once, all together.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::control;
use super::layout::Layout;
use crate::certificates::{Authority, write_token_key};
use crate::kubeconfig::{self, Credential};

/// The group that may do everything: for the administrator and for what belongs to the test-bed itself.
const MASTERS: &[&str] = &["system:masters"];

/// Draws everything unless it is there. A half-written folder is written anew.
pub fn ensure(layout: &Layout) -> Result<()> {
    let complete = layout.secrets().join("complete");
    if complete.exists() {
        return Ok(());
    }
    let folder = layout.secrets();
    let authority = Authority::generate("kluster-testbed")?;
    let authority_file = authority
        .identity()
        .write(&folder, "authority")?
        .certificate;
    write_token_key(&folder)?;
    let (control, service) = (layout.control_address(), layout.first_service());
    let hosts = [
        control.as_str(),
        service.as_str(),
        "127.0.0.1",
        "localhost",
        "kubernetes",
        "kubernetes.default",
        "kubernetes.default.svc",
        "kubernetes.default.svc.cluster.local",
    ];
    authority
        .server("kube-apiserver", &hosts)?
        .write(&folder, "api-server")?;
    authority
        .client("kube-apiserver-kubelet-client", MASTERS)?
        .write(&folder, "kubelet-client")?;
    let client = |path: &Path, name: &str, user: &str, groups: &[&str]| -> Result<()> {
        let identity = authority.client(user, groups)?.write(&folder, name)?;
        kubeconfig::write(
            path,
            &layout.url(),
            &authority_file,
            &Credential::Certificate(identity),
        )
    };
    for (name, user) in [
        ("controller-manager", "system:kube-controller-manager"),
        ("scheduler", "system:kube-scheduler"),
        ("proxy", "system:kube-proxy"),
    ] {
        client(&of(layout, name), name, user, &[])?;
    }
    for name in [control::SERVERS.as_slice(), &["coredns"]].concat() {
        client(&of(layout, name), name, name, MASTERS)?;
    }
    client(&layout.kubeconfig(), "admin", "kubernetes-admin", MASTERS)?;
    for node in layout.all_nodes() {
        let user = format!("system:node:{}", node.name);
        client(
            &of(layout, &node.name),
            &node.name,
            &user,
            &["system:nodes"],
        )?;
        let hosts = [node.name.as_str(), node.address.as_str()];
        authority
            .server(&user, &hosts)?
            .write(&folder, &format!("{}-serving", node.name))?;
    }
    std::fs::write(&complete, "").context("failed to mark the secrets as complete")
}

/// The kubeconfig file of one part.
pub fn of(layout: &Layout, part: &str) -> PathBuf {
    layout.secrets().join(format!("{part}.kubeconfig"))
}
