//! The folder that snapshots lie in.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use node_host::Host;

use crate::contract::Export;
use crate::identity::Identity;
use crate::ids::LogId;
use crate::raft::snapshots::file::SnapshotFile;
use crate::raft::snapshots::receive::Receiving;
use crate::raft::snapshots::write;

const EXTENSION: &str = ".snapshot";
const UNFINISHED: &str = ".unfinished";

/// The folder of snapshots.
pub struct Snapshots {
    host: Host,
    dir: PathBuf,
    last: Mutex<Option<SnapshotFile>>,
}

impl Snapshots {
    /// Opens the folder, clears what a crash left unfinished, and finds the newest file that is whole.
    /// Blocks: to be called on a worker.
    pub fn open(host: &Host, dir: PathBuf) -> io::Result<Arc<Snapshots>> {
        let files = &*host.files;
        files.create_dir_all(&dir)?;
        let mut last = None;
        for name in files.list(&dir)? {
            if name.ends_with(UNFINISHED) {
                files.remove(&dir.join(&name))?;
            } else if name.ends_with(EXTENSION) {
                match SnapshotFile::open(files, &dir.join(&name)) {
                    // Names sort by index.
                    Ok(file) => last = Some(file),
                    Err(error) => tracing::warn!(name, %error, "left a damaged snapshot aside"),
                }
            }
        }
        Ok(Arc::new(Snapshots {
            host: host.clone(),
            dir,
            last: Mutex::new(last),
        }))
    }

    /// The newest snapshot.
    pub fn last(&self) -> Option<SnapshotFile> {
        self.last
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// Writes what `export` gives, durably, and lets the older ones go. Blocks: to be called on a worker.
    pub async fn write(
        &self,
        identity: &Identity,
        export: Box<dyn Export>,
    ) -> io::Result<SnapshotFile> {
        let unfinished = self.unfinished("built")?;
        write::write(&*self.host.files, &unfinished, identity, export).await?;
        self.adopt(&unfinished)
    }

    /// Begins to take a snapshot from a peer. Blocks: to be called on a worker.
    pub fn receive(&self, bytes: u64, digest: [u8; 32], nonce: u64) -> io::Result<Receiving> {
        let unfinished = self.unfinished(&format!("received-{nonce:016x}"))?;
        Receiving::begin(self.host.clone(), unfinished, bytes, digest)
    }

    fn unfinished(&self, name: &str) -> io::Result<PathBuf> {
        let path = self.dir.join(format!("{name}{UNFINISHED}"));
        if self.host.files.exists(&path)? {
            self.host.files.remove(&path)?;
        }
        Ok(path)
    }

    /// Gives a synced file its name, durably. Blocks: to be called on a worker.
    pub fn adopt(&self, unfinished: &Path) -> io::Result<SnapshotFile> {
        let files = &*self.host.files;
        let at = SnapshotFile::open(files, unfinished)?.applied().last;
        let path = self.dir.join(file_name(at));
        files.rename(unfinished, &path)?;
        files.sync_dir(&self.dir)?;
        SnapshotFile::open(files, &path)
    }

    /// Makes `file` the newest and lets the others go. Blocks: to be called on a worker.
    pub fn keep_only(&self, file: &SnapshotFile) -> io::Result<()> {
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if last
            .as_ref()
            .is_some_and(|last| last.applied().last > file.applied().last)
        {
            return Ok(());
        }
        *last = Some(file.clone());
        drop(last);
        let keep = file_name(file.applied().last);
        for name in self.host.files.list(&self.dir)? {
            if name.ends_with(EXTENSION) && name < keep {
                self.host.files.remove(&self.dir.join(name))?;
            }
        }
        self.host.files.sync_dir(&self.dir)
    }
}

fn file_name(at: LogId) -> String {
    format!(
        "{:020}-{:020}-{:016x}{EXTENSION}",
        at.index, at.term, at.leader
    )
}

#[cfg(test)]
#[path = "tests.rs"]
mod tests;
