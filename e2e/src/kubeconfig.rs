//! Kubeconfig files: for people, for the parts of a Kubernetes, and for tests.
//!
//! They are written as JSON, which every reader of YAML reads.

use std::path::Path;

use anyhow::{Context, Result};
use kube::config::{Config, KubeConfigOptions, Kubeconfig};
use serde_json::{Value, json};

use crate::certificates::{IdentityFiles, write_private};

/// How a client proves who it is.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A client certificate.
    Certificate(IdentityFiles),
    /// A bearer token.
    Token(String),
}

/// Writes a kubeconfig with one cluster, one user and one context named `kluster`.
///
/// `server` is the URL of the API server, `authority` the file of its certificate authority.
pub fn write(path: &Path, server: &str, authority: &Path, credential: &Credential) -> Result<()> {
    let text = serde_json::to_string_pretty(&document(server, authority, credential))?;
    write_private(path, &text)
}

/// A client's configuration from a kubeconfig file.
pub async fn load(path: &Path) -> Result<Config> {
    let file = Kubeconfig::read_from(path)
        .with_context(|| format!("failed to read {}", path.display()))?;
    Config::from_custom_kubeconfig(file, &KubeConfigOptions::default())
        .await
        .with_context(|| format!("failed to use {}", path.display()))
}

fn document(server: &str, authority: &Path, credential: &Credential) -> Value {
    let user = match credential {
        Credential::Certificate(files) => {
            json!({"client-certificate": files.certificate, "client-key": files.key})
        }
        Credential::Token(token) => json!({ "token": token }),
    };
    json!({
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "kluster", "cluster": {"server": server, "certificate-authority": authority}}],
        "users": [{"name": "kluster", "user": user}],
        "contexts": [{"name": "kluster", "context": {"cluster": "kluster", "user": "kluster"}}],
        "current-context": "kluster",
    })
}
