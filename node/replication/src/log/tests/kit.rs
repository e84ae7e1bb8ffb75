//! What the tests share: a folder, short ways to write, and files that fail or wait on demand.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use futures::future::BoxFuture;
use node_host::{File, Files, Host, Space, real};
use tokio::sync::{oneshot, watch};

use super::super::errors::{LogFailed, OpenError};
use super::super::limits::Limits;
use super::super::record::{Record, RecordKind, Recovered};
use super::super::wal::Wal;
use crate::ids::LogId;

/// Small, so that a few entries fill a segment and most reads go to disk.
pub const SMALL: Limits = Limits {
    segment_bytes: 1024,
    batch_bytes: 1 << 20,
    cache_bytes: 400,
    queue_bytes: 1 << 20,
};

pub fn id(term: u64, index: u64) -> LogId {
    LogId {
        term,
        leader: 1,
        index,
    }
}

pub fn entry(term: u64, index: u64) -> Record {
    entry_of(term, index, format!("payload {term}.{index}").into())
}

pub fn entry_of(term: u64, index: u64, payload: Bytes) -> Record {
    Record {
        id: id(term, index),
        kind: RecordKind::Command,
        payload,
    }
}

pub async fn append(wal: &Wal, records: Vec<Record>) -> Result<(), LogFailed> {
    start_append(wal, records)
        .await
        .expect("done is always called")
}

pub fn start_append(wal: &Wal, records: Vec<Record>) -> oneshot::Receiver<Result<(), LogFailed>> {
    let (tell, told) = oneshot::channel();
    wal.append(records, Box::new(move |outcome| drop(tell.send(outcome))));
    told
}

/// All entries that can be read.
pub fn entries(wal: &Wal) -> Vec<Record> {
    let first = wal.purged().map_or(0, |id| id.index + 1);
    let end = wal.last().map_or(first, |id| id.index + 1);
    wal.read(first..end, usize::MAX).expect("the log reads")
}

/// A folder with a log in it.
pub struct Folder(tempfile::TempDir);

impl Folder {
    pub fn new() -> Folder {
        Folder(tempfile::tempdir().expect("a temporary folder"))
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    pub async fn open(&self) -> (Wal, Recovered) {
        self.try_open().await.expect("the log opens")
    }

    pub async fn try_open(&self) -> Result<(Wal, Recovered), OpenError> {
        Wal::open(&Host::real(), self.path(), SMALL).await
    }

    pub fn file(&self, name: &str) -> PathBuf {
        self.path().join(name)
    }

    /// The names of the segments, oldest first.
    pub fn segments(&self) -> Vec<String> {
        let names = real::Files.list(self.path()).expect("the folder lists");
        names
            .into_iter()
            .filter(|name| name.ends_with(".log"))
            .collect()
    }

    /// What a power loss now would leave, if the disk has everything.
    pub fn copy(&self) -> Folder {
        let copy = Folder::new();
        for name in real::Files.list(self.path()).expect("the folder lists") {
            fs::copy(self.file(&name), copy.file(&name)).expect("the file copies");
        }
        copy
    }

    /// A copy with other bytes in one file.
    pub fn with(&self, name: &str, bytes: &[u8]) -> Folder {
        let copy = self.copy();
        fs::write(copy.file(name), bytes).expect("the file is written");
        copy
    }

    pub fn read(&self, name: &str) -> Vec<u8> {
        fs::read(self.file(name)).expect("the file reads")
    }
}

/// Bytes up to the last one that is not zero.
pub fn used(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .rposition(|byte| *byte != 0)
        .map_or(0, |last| last + 1)
}

/// What was asked of the disk; files by name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Call {
    Create(String),
    Write(String),
    Sync(String),
    Rename(String),
    Remove(String),
    SyncDir,
}

/// Which calls fail, and how.
type Fault = (Box<dyn Fn(&Call) -> bool + Send>, io::ErrorKind);

/// Real files that note each call, and fail or wait on demand.
pub struct Faulty {
    calls: Mutex<Vec<Call>>,
    fault: Mutex<Option<Fault>>,
    closed: watch::Sender<bool>,
}

impl Faulty {
    pub fn host() -> (Host, Arc<Faulty>) {
        let faulty = Arc::new(Faulty {
            calls: Mutex::default(),
            fault: Mutex::default(),
            closed: watch::Sender::new(false),
        });
        (
            Host {
                files: Arc::new(FaultyFiles(Arc::clone(&faulty))),
                ..Host::real()
            },
            faulty,
        )
    }

    /// From now on these calls fail.
    pub fn fail(&self, kind: io::ErrorKind, which: impl Fn(&Call) -> bool + Send + 'static) {
        *self.fault.lock().unwrap() = Some((Box::new(which), kind));
    }

    pub fn heal(&self) {
        *self.fault.lock().unwrap() = None;
    }

    /// Whether syncs wait.
    pub fn hold_syncs(&self, hold: bool) {
        self.closed.send_replace(hold);
    }

    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().unwrap().clone()
    }

    fn call(&self, call: Call) -> io::Result<()> {
        let fault = self.fault.lock().unwrap();
        let outcome = match &*fault {
            Some((which, kind)) if which(&call) => Err(io::Error::from(*kind)),
            _ => Ok(()),
        };
        self.calls.lock().unwrap().push(call);
        outcome
    }
}

fn name_of(path: &Path) -> String {
    path.file_name()
        .unwrap_or_default()
        .to_string_lossy()
        .into_owned()
}

struct FaultyFiles(Arc<Faulty>);

impl FaultyFiles {
    fn wrap(&self, path: &Path, inner: Arc<dyn File>) -> Arc<dyn File> {
        Arc::new(FaultyFile {
            inner,
            name: name_of(path),
            faulty: Arc::clone(&self.0),
        })
    }
}

impl Files for FaultyFiles {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        real::Files.create_dir_all(dir)
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        real::Files.list(dir)
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        real::Files.exists(path)
    }
    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn File>> {
        self.0.call(Call::Create(name_of(path)))?;
        Ok(self.wrap(path, real::Files.create(path, len)?))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        Ok(self.wrap(path, real::Files.open(path)?))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.0.call(Call::Rename(name_of(to)))?;
        real::Files.rename(from, to)
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        self.0.call(Call::Remove(name_of(path)))?;
        real::Files.remove(path)
    }
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        real::Files.remove_dir_all(dir)
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        self.0.call(Call::SyncDir)?;
        real::Files.sync_dir(dir)
    }
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        real::Files.lock(path)
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        real::Files.space(dir)
    }
}

struct FaultyFile {
    inner: Arc<dyn File>,
    name: String,
    faulty: Arc<Faulty>,
}

impl File for FaultyFile {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.inner.read_exact_at(buffer, offset)
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        if let Err(error) = self.faulty.call(Call::Write(self.name.clone())) {
            // A failed write may have written a part.
            self.inner.write_all_at(&bytes[..bytes.len() / 2], offset)?;
            return Err(error);
        }
        self.inner.write_all_at(bytes, offset)
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.inner.set_len(len)
    }
    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            let mut closed = self.faulty.closed.subscribe();
            closed
                .wait_for(|closed| !closed)
                .await
                .expect("the sender is in scope");
            self.faulty.call(Call::Sync(self.name.clone()))?;
            self.inner.sync_data().await
        })
    }
}
