//! The contract of files: small, and explicit about what survives a power loss.

use std::io;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;

/// Room on the disk that holds a folder.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Space {
    /// Size of the file system.
    pub total_bytes: u64,
    /// What this process may still fill.
    pub available_bytes: u64,
}

/// Files of a node. Synchronous: the calls take as long as the disk does.
///
/// What survives a power loss: the bytes of a file up to the last [`File::sync_data`] that returned `Ok`, and the names
/// in a folder as of the last [`Files::sync_dir`] that did. Anything later may be there, in part, or not at all.
pub trait Files: Send + Sync {
    /// Creates a folder and those above it; fine if it exists.
    fn create_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// The names in a folder, sorted. Names that are not Unicode are left out: a node never writes one.
    fn list(&self, dir: &Path) -> io::Result<Vec<String>>;
    /// Whether a file or folder of that name exists.
    fn exists(&self, path: &Path) -> io::Result<bool>;
    /// A new file (fails if it exists), filled with zeros and allocated to `len`, so that writing within it and syncing
    /// it changes no metadata. Its bytes and its length are durable only after [`File::sync_data`]. After an error
    /// there is no file.
    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn File>>;
    /// An existing file, to read and write.
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>>;
    /// Gives a file or folder another name, atomically; a file already there is replaced.
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()>;
    /// Removes a file.
    fn remove(&self, path: &Path) -> io::Result<()>;
    /// Removes a folder with everything in it.
    fn remove_dir_all(&self, dir: &Path) -> io::Result<()>;
    /// Makes names created, renamed and removed in `dir` durable.
    fn sync_dir(&self, dir: &Path) -> io::Result<()>;
    /// Locks `path` (created if missing) until the result is dropped or the process ends; `WouldBlock` if it is taken.
    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>>;
    /// Room on the disk that holds `dir`.
    fn space(&self, dir: &Path) -> io::Result<Space>;
}

/// An open file. May be used from several threads; writers of overlapping ranges coordinate among themselves.
#[expect(
    clippy::len_without_is_empty,
    reason = "a file is measured, not a collection"
)]
pub trait File: Send + Sync {
    /// Its length in bytes.
    fn len(&self) -> io::Result<u64>;
    /// Fills `buffer` from `offset`; `UnexpectedEof` if the file ends before.
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()>;
    /// Writes all of `bytes` at `offset`, growing the file if need be. Readable at once, not yet durable.
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()>;
    /// Cuts or grows (with zeros) to `len`.
    fn set_len(&self, len: u64) -> io::Result<()>;
    /// Makes what was written before the call durable (fdatasync). In production it blocks the thread that polls it,
    /// so it is awaited on a worker or where blocking is allowed; in the simulator it takes virtual time.
    /// After an error nothing is known about what the disk has, and calling it again proves nothing: never retry.
    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>>;
}
