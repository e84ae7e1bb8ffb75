//! What the settings of the kv engine become: sections of the nodes' config file, and the Secrets that they name, in the pods.
//! Where nothing is set, nothing comes of it: files and pods stay as they were before there was anything to set.

use crds::{ClientCertificates, CompactionMode, Tokens};

use crate::validate::Kv;

const TLS_DIR: &str = "/etc/kluster/etcd-tls";
const AUTH_DIR: &str = "/etc/kluster/etcd-auth";

/// A Secret in a pod. All of it is mounted: a node that lacks a part says so and ends, where Kubernetes would only wait.
pub struct Mounted<'a> {
    /// The name of the volume.
    pub volume: &'static str,
    /// Where it is mounted.
    pub folder: &'static str,
    /// The name of the Secret.
    pub secret: &'a str,
}

/// The Secrets that `kv` names.
pub fn mounted(kv: &Kv) -> Vec<Mounted<'_>> {
    let tls = kv.tls.as_ref().map(|tls| Mounted {
        volume: "etcd-tls",
        folder: TLS_DIR,
        secret: &tls.secret_name,
    });
    let auth = kv.auth.as_ref().map(|auth| Mounted {
        volume: "etcd-auth",
        folder: AUTH_DIR,
        secret: &auth.secret_name,
    });
    tls.into_iter().chain(auth).collect()
}

/// The sections of the config file.
pub fn sections(kv: &Kv) -> String {
    let mut text = String::new();
    if let Some(tls) = &kv.tls {
        text.push_str(&format!(
            "\n[etcd_tls]\ncert_file = \"{TLS_DIR}/tls.crt\"\nkey_file = \"{TLS_DIR}/tls.key\"\n"
        ));
        if tls.client_certificates == ClientCertificates::Required {
            text.push_str(&format!("client_ca_file = \"{TLS_DIR}/ca.crt\"\n"));
        }
    }
    text.push_str(&limits(kv));
    if let Some(auth) = &kv.auth {
        text.push_str(&format!(
            "\n[auth]\nroot_password_file = \"{AUTH_DIR}/root-password\"\n"
        ));
        if auth.tokens == Tokens::Jwt {
            text.push_str(&format!("jwt_private_key_file = \"{AUTH_DIR}/jwt.key\"\n"));
        }
    }
    text
}

fn limits(kv: &Kv) -> String {
    let mut lines = String::new();
    if let Some(bytes) = kv.quota_bytes {
        lines.push_str(&format!("quota_bytes = {bytes}\n"));
    }
    if let Some(compaction) = &kv.auto_compaction {
        let mode = match compaction.mode {
            CompactionMode::Periodic => "periodic",
            CompactionMode::Revision => "revision",
        };
        let retention = &compaction.retention;
        lines.push_str(&format!(
            "auto_compaction_mode = \"{mode}\"\nauto_compaction_retention = \"{retention}\"\n"
        ));
    }
    match lines.is_empty() {
        true => lines,
        false => format!("\n[kv]\n{lines}"),
    }
}
