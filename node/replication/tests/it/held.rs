//! Files whose syncs can be held up, on the real disk.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use node_host::{File, Files, Host, Space};
use tokio::sync::watch;

/// Holds syncs up, or lets them go. A clone is the same.
#[derive(Clone, Default)]
pub struct Gate(Arc<watch::Sender<bool>>);

impl Gate {
    /// From now on no sync ends.
    pub fn hold(&self) {
        self.0.send_replace(true);
    }

    /// All syncs go on.
    pub fn release(&self) {
        self.0.send_replace(false);
    }

    /// The real machine, with syncs that wait here.
    pub fn host(&self) -> Host {
        let host = Host::real();
        let files = Arc::new(HeldFiles {
            files: host.files.clone(),
            gate: self.clone(),
        });
        Host { files, ..host }
    }
}

struct HeldFiles {
    files: Arc<dyn Files>,
    gate: Gate,
}

impl HeldFiles {
    fn held(&self, file: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(HeldFile {
            file,
            gate: self.gate.clone(),
        })
    }
}

impl Files for HeldFiles {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.files.create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        self.files.list(dir)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        self.files.exists(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn File>> {
        Ok(self.held(self.files.create(path, len)?))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.held(self.files.open(path)?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.files.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.files.remove(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        self.files.remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.files.sync_dir(dir)
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.files.lock(path)
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        self.files.space(dir)
    }
}

struct HeldFile {
    file: Arc<dyn File>,
    gate: Gate,
}

impl File for HeldFile {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.file.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let mut held = self.gate.0.subscribe();
            // The sender lives as long as the gate, which this file holds.
            held.wait_for(|held| !held).await.ok();
            self.file.sync_data().await
        })
    }
}
