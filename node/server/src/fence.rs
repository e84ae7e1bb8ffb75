//! The fence: a node behind it serves no client. Kept on disk, so that a node that starts with nobody to ask stays behind it.
//!
//! It says nothing about the log: a fenced node goes on receiving it, and votes as long as it is a voter.

use std::io;
use std::path::{Path, PathBuf};

use node_host::Host;
use tokio::sync::{Mutex, watch};

use crate::aside::write_once;
use crate::errors::StartError;
use crate::work;

/// The node is fenced as long as there is a file of this name; what is in it does not matter.
const NAME: &str = "fenced";

/// Whether the node is fenced.
pub struct Fence {
    host: Host,
    dir: PathBuf,
    up: watch::Sender<bool>,
    /// Held by the one change under way.
    changing: Mutex<()>,
}

impl Fence {
    /// As the disk says.
    pub async fn read(host: &Host, dir: &Path) -> Result<Fence, StartError> {
        let (files, path) = (host.files.clone(), dir.join(NAME));
        let up = work::run(host, "fence", async move { files.exists(&path) })
            .await
            .and_then(|found| found)
            .map_err(StartError::files("read whether the node is fenced"))?;
        if up {
            tracing::warn!("the node is fenced: it serves no client until it is told otherwise");
        }
        Ok(Fence {
            host: host.clone(),
            dir: dir.to_owned(),
            up: watch::Sender::new(up),
            changing: Mutex::new(()),
        })
    }

    /// True while the node serves no client.
    pub fn is_up(&self) -> bool {
        *self.up.borrow()
    }

    /// Tells of changes.
    pub fn watch(&self) -> watch::Receiver<bool> {
        self.up.subscribe()
    }

    /// Puts the fence up or takes it down; durable on return. After an error the node is as it was, and the disk may be
    /// either: it is to be told again.
    pub async fn set(&self, up: bool) -> io::Result<()> {
        let _one = self.changing.lock().await;
        let (files, dir) = (self.host.files.clone(), self.dir.clone());
        let write = async move {
            let path = dir.join(NAME);
            if up {
                return write_once(&*files, &dir, NAME, &[]).await;
            }
            if files.exists(&path)? {
                files.remove(&path)?;
            }
            // Also where it was gone: an attempt before may have failed here.
            files.sync_dir(&dir)
        };
        work::run(&self.host, "fence", write).await??;
        if self.up.send_replace(up) != up {
            match up {
                true => tracing::warn!("the node is fenced: it serves no client"),
                false => tracing::info!("the node is fenced no more"),
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_up_until_it_is_taken_down_whoever_asks_the_disk() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let again = async || Fence::read(&host, dir.path()).await.unwrap();
        let fence = again().await;
        assert!(!fence.is_up());
        for up in [true, true, false, false, true] {
            fence.set(up).await.unwrap();
            assert_eq!((fence.is_up(), again().await.is_up()), (up, up));
        }
    }

    #[tokio::test]
    async fn a_change_that_fails_changes_nothing() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let fence = Fence::read(&host, &dir.path().join("gone")).await.unwrap();
        assert!(fence.set(true).await.is_err());
        assert!(!fence.is_up());
    }
}
