//! Files of the operating system.

use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::sync::Arc;

use futures::future::BoxFuture;
use rustix::fs::{FallocateFlags, FlockOperation};

use crate::{File as FileContract, Files as Contract, Space};

/// How much is written at once when a new file is filled with zeros.
const ZEROS_BYTES: usize = 1 << 20;

/// The file systems of the machine.
#[derive(Debug)]
pub struct Files;

impl Contract for Files {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::create_dir_all(dir)
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut names = Vec::new();
        for entry in fs::read_dir(dir)? {
            names.extend(entry?.file_name().into_string().ok());
        }
        names.sort_unstable();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        fs::exists(path)
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn FileContract>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .open(path)?;
        if let Err(error) = allocate(&file, len) {
            fs::remove_file(path)?;
            return Err(error);
        }
        Ok(Arc::new(Opened(file)))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn FileContract>> {
        let file = OpenOptions::new().read(true).write(true).open(path)?;
        Ok(Arc::new(Opened(file)))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        fs::rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        fs::remove_file(path)
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        fs::remove_dir_all(dir)
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        fs::File::open(dir)?.sync_all()
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .open(path)?;
        rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive)?;
        Ok(Box::new(file))
    }

    fn space(&self, dir: &Path) -> io::Result<Space> {
        let disk = rustix::fs::statvfs(dir)?;
        Ok(Space {
            total_bytes: disk.f_blocks.saturating_mul(disk.f_frsize),
            available_bytes: disk.f_bavail.saturating_mul(disk.f_frsize),
        })
    }
}

/// Allocation alone leaves extents that are "unwritten": the first sync of each would change metadata. So the zeros
/// are written too; the allocation before it keeps the file in one piece and finds a full disk early.
fn allocate(file: &fs::File, len: u64) -> io::Result<()> {
    if len == 0 {
        return Ok(());
    }
    match rustix::fs::fallocate(file, FallocateFlags::empty(), 0, len) {
        // Some file systems cannot allocate ahead; writing the zeros does it there.
        Ok(()) | Err(rustix::io::Errno::OPNOTSUPP) => {}
        Err(error) => return Err(error.into()),
    }
    let zeros = vec![0; ZEROS_BYTES];
    let mut offset = 0;
    while offset < len {
        let left = usize::try_from(len - offset).unwrap_or(usize::MAX);
        let piece = zeros.get(..left).unwrap_or(&zeros);
        file.write_all_at(piece, offset)?;
        offset += piece.len() as u64;
    }
    Ok(())
}

struct Opened(fs::File);

impl FileContract for Opened {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.metadata()?.len())
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.0.read_exact_at(buffer, offset)
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.0.write_all_at(bytes, offset)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.set_len(len)
    }

    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async { self.0.sync_data() })
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt;

    use futures::executor::block_on;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().unwrap()
    }

    #[test]
    fn a_new_file_is_zeros_and_allocated() {
        let dir = folder();
        let path = dir.path().join("a");
        let len = (ZEROS_BYTES + 4096 + 1) as u64;
        let file = Files.create(&path, len).unwrap();
        assert_eq!(file.len().unwrap(), len);
        assert!(fs::metadata(&path).unwrap().blocks() * 512 >= len);
        let mut bytes = vec![1; usize::try_from(len).unwrap()];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert!(bytes.iter().all(|byte| *byte == 0));
    }

    #[test]
    fn creating_what_exists_is_refused_and_harms_nothing() {
        let dir = folder();
        let path = dir.path().join("a");
        Files
            .create(&path, 0)
            .unwrap()
            .write_all_at(b"kept", 0)
            .unwrap();
        let error = Files.create(&path, 10).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::AlreadyExists);
        assert_eq!(fs::read(&path).unwrap(), b"kept");
    }

    #[test]
    fn a_file_that_does_not_fit_is_not_left_behind() {
        let dir = folder();
        let path = dir.path().join("a");
        let error = Files.create(&path, 1 << 60).err().unwrap();
        assert!(
            matches!(
                error.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::FileTooLarge
            ),
            "{error}"
        );
        assert!(!Files.exists(&path).unwrap());
    }

    #[test]
    fn bytes_are_read_back_where_they_were_written() {
        let dir = folder();
        let path = dir.path().join("a");
        let file = Files.create(&path, 8).unwrap();
        file.write_all_at(b"xy", 3).unwrap();
        file.write_all_at(b"z", 9).unwrap();
        block_on(file.sync_data()).unwrap();
        let again = Files.open(&path).unwrap();
        let mut bytes = [9; 10];
        again.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"\0\0\0xy\0\0\0\0z");
        again.set_len(4).unwrap();
        let error = again.read_exact_at(&mut bytes, 0).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }

    #[test]
    fn names_are_listed_sorted_renamed_and_removed() {
        let dir = folder();
        let at = |name: &str| dir.path().join(name);
        for name in ["c", "a", "b"] {
            Files.create(&at(name), 1).unwrap();
        }
        Files.rename(&at("c"), &at("a")).unwrap();
        Files.create_dir_all(&at("d/e")).unwrap();
        Files.sync_dir(dir.path()).unwrap();
        assert_eq!(Files.list(dir.path()).unwrap(), ["a", "b", "d"]);
        Files.remove(&at("a")).unwrap();
        Files.remove_dir_all(&at("d")).unwrap();
        assert_eq!(Files.list(dir.path()).unwrap(), ["b"]);
        assert_eq!(
            Files.open(&at("a")).err().unwrap().kind(),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn a_lock_is_held_by_one_until_dropped() {
        let dir = folder();
        let path = dir.path().join("lock");
        let held = Files.lock(&path).unwrap();
        let error = Files.lock(&path).err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::WouldBlock);
        drop(held);
        Files.lock(&path).unwrap();
    }

    #[test]
    fn space_is_told() {
        let space = Files.space(folder().path()).unwrap();
        assert!(space.total_bytes > 0 && space.available_bytes <= space.total_bytes);
    }
}
