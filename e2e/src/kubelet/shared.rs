//! What all parts of one stand-in hold together.

use std::io::Write;
use std::path::PathBuf;
use std::sync::{Mutex, PoisonError};

use kube::Client;

use super::addresses::Addresses;
use super::processes::Processes;

/// Label of the stand-in's own Nodes and PersistentVolumes: the namespace it serves.
pub(super) const LABEL: &str = "kluster.dev/stand-in-kubelet";

/// State and means of one stand-in.
pub(super) struct Shared {
    pub client: Client,
    pub namespace: String,
    pub folder: PathBuf,
    pub api_server: (String, String),
    pub addresses: Addresses,
    pub processes: Processes,
    /// The text of every pod's `/etc/hosts`.
    pub hosts: Mutex<String>,
}

impl Shared {
    /// The folder that is a pod's own: its root and its volumes that live as long as it does.
    pub fn pod_folder(&self, uid: &str) -> PathBuf {
        self.folder.join("pods").join(uid)
    }

    /// The folder of one persistent volume.
    pub fn volume_folder(&self, volume: &str) -> PathBuf {
        self.folder.join("volumes").join(volume)
    }

    /// Where output of the pod of this name goes, over all its restarts.
    pub fn log(&self, pod: &str) -> PathBuf {
        self.folder.join("logs").join(format!("{pod}.log"))
    }

    /// Notes what the stand-in did or failed to do, for the one who reads a failed test.
    pub fn note(&self, text: &str) {
        let path = self.log("kubelet");
        let mut options = std::fs::OpenOptions::new();
        let file = options.create(true).append(true).open(path);
        // The note is for a person; a test that goes well never reads it.
        let _not_noted = file.and_then(|mut file| writeln!(file, "{text}"));
    }

    /// The present text of `/etc/hosts`.
    pub fn hosts_text(&self) -> String {
        let hosts = self.hosts.lock().unwrap_or_else(PoisonError::into_inner);
        hosts.clone()
    }
}
