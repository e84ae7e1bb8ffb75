//! A disk in memory that keeps apart what was synced and what was not.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{self, ErrorKind};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures::future::BoxFuture;
use node_host::{File, Files, Space};

use super::random::Chance;

/// Size of every simulated disk.
const DISK_BYTES: u64 = 1 << 34;
/// The longest a sync takes.
const SYNC_MS_MAX: u64 = 4;

/// The disk of one node. Clones are the same disk; it outlives the node's crashes.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    chance: Chance,
}

struct State {
    available_bytes: u64,
    folders: BTreeSet<PathBuf>,
    names: BTreeMap<PathBuf, usize>,
    durable_names: BTreeMap<PathBuf, usize>,
    inodes: Vec<Inode>,
    locks: BTreeSet<PathBuf>,
}

impl Default for State {
    fn default() -> Self {
        Self {
            available_bytes: DISK_BYTES / 2,
            folders: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            inodes: Vec::new(),
            locks: BTreeSet::new(),
        }
    }
}

#[derive(Default)]
struct Inode {
    bytes: Vec<u8>,
    /// How to take back what was not synced, oldest first.
    undo: Vec<Undo>,
}

enum Undo {
    Bytes { offset: usize, before: Vec<u8> },
    Length(usize),
}

impl Inode {
    fn resize(&mut self, len: usize) {
        let cut = self
            .bytes
            .get(len..)
            .map(<[u8]>::to_vec)
            .unwrap_or_default();
        self.undo.push(Undo::Bytes {
            offset: len,
            before: cut,
        });
        self.undo.push(Undo::Length(self.bytes.len()));
        self.bytes.resize(len, 0);
    }

    fn take_back(&mut self, undo: Undo) {
        match undo {
            Undo::Length(len) => self.bytes.resize(len, 0),
            Undo::Bytes { offset, before } => {
                if let Some(target) = self.bytes.get_mut(offset..offset + before.len()) {
                    target.copy_from_slice(&before);
                }
            }
        }
    }
}

impl Disk {
    /// An empty disk.
    pub fn new(chance: Chance) -> Self {
        Self {
            state: Arc::default(),
            chance,
        }
    }

    /// The power goes: names not synced are gone, and of the unsynced writes to each file a random number of the last
    /// is lost. No node may be using the disk.
    pub fn crash(&self) {
        let mut state = self.state();
        state.names = state.durable_names.clone();
        state.locks.clear();
        for inode in &mut state.inodes {
            let keep = self.chance.below(inode.undo.len() as u64 + 1) as usize;
            for undo in inode.undo.split_off(keep).into_iter().rev() {
                inode.take_back(undo);
            }
            inode.undo.clear();
        }
    }

    /// From now on it says that so much of it is free. Writing never fails: nodes are to stop before it could.
    pub fn leave(&self, available_bytes: u64) {
        self.state().available_bytes = available_bytes;
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("invariant: nobody panics while holding the disk")
    }

    fn handle(&self, inode: usize) -> Arc<dyn File> {
        Arc::new(Handle {
            disk: self.clone(),
            inode,
        })
    }
}

fn missing(path: &Path) -> io::Error {
    io::Error::new(
        ErrorKind::NotFound,
        format!("{} does not exist", path.display()),
    )
}

impl Files for Disk {
    fn create_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        state.folders.extend(dir.ancestors().map(Path::to_owned));
        Ok(())
    }

    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let state = self.state();
        if !state.folders.contains(dir) {
            return Err(missing(dir));
        }
        let inside = |path: &&PathBuf| path.parent() == Some(dir);
        let name = |path: &PathBuf| Some(path.file_name()?.to_string_lossy().into_owned());
        let files = state.names.keys().filter(inside).filter_map(name);
        let mut names: Vec<String> = files
            .chain(state.folders.iter().filter(inside).filter_map(name))
            .collect();
        names.sort();
        Ok(names)
    }

    fn exists(&self, path: &Path) -> io::Result<bool> {
        let state = self.state();
        Ok(state.names.contains_key(path) || state.folders.contains(path))
    }

    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn File>> {
        let mut state = self.state();
        if state.names.contains_key(path) {
            return Err(io::Error::new(
                ErrorKind::AlreadyExists,
                format!("{} exists", path.display()),
            ));
        }
        let inode = state.inodes.len();
        state.inodes.push(Inode {
            bytes: vec![0; len as usize],
            undo: Vec::new(),
        });
        state.names.insert(path.to_owned(), inode);
        drop(state);
        Ok(self.handle(inode))
    }

    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let inode = self.state().names.get(path).copied();
        Ok(self.handle(inode.ok_or_else(|| missing(path))?))
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut state = self.state();
        if let Some(inode) = state.names.remove(from) {
            state.names.insert(to.to_owned(), inode);
            return Ok(());
        }
        if !state.folders.contains(from) {
            return Err(missing(from));
        }
        // A folder moves at once with all in it, durably: no promise of ours hangs on that being lost.
        let State {
            folders,
            names,
            durable_names,
            ..
        } = &mut *state;
        let moved = |path: &Path| {
            path.strip_prefix(from).map(|rest| {
                if rest.as_os_str().is_empty() {
                    to.to_owned()
                } else {
                    to.join(rest)
                }
            })
        };
        *folders = folders
            .iter()
            .map(|path| moved(path).unwrap_or_else(|_| path.clone()))
            .collect();
        for map in [names, durable_names] {
            *map = map
                .iter()
                .map(|(path, inode)| (moved(path).unwrap_or_else(|_| path.clone()), *inode))
                .collect();
        }
        Ok(())
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.state()
            .names
            .remove(path)
            .map(|_| ())
            .ok_or_else(|| missing(path))
    }

    fn remove_dir_all(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        if !state.folders.contains(dir) {
            return Err(missing(dir));
        }
        state.folders.retain(|path| !path.starts_with(dir));
        state.names.retain(|path, _| !path.starts_with(dir));
        Ok(())
    }

    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut state = self.state();
        let State {
            names,
            durable_names,
            ..
        } = &mut *state;
        durable_names.retain(|path, _| path.parent() != Some(dir));
        let now = names.iter().filter(|(path, _)| path.parent() == Some(dir));
        durable_names.extend(now.map(|(path, inode)| (path.clone(), *inode)));
        Ok(())
    }

    fn lock(&self, path: &Path) -> io::Result<Box<dyn Send + Sync>> {
        if !self.state().locks.insert(path.to_owned()) {
            return Err(ErrorKind::WouldBlock.into());
        }
        Ok(Box::new(Lock {
            disk: self.clone(),
            path: path.to_owned(),
        }))
    }

    fn space(&self, _dir: &Path) -> io::Result<Space> {
        Ok(Space {
            total_bytes: DISK_BYTES,
            available_bytes: self.state().available_bytes,
        })
    }
}

struct Lock {
    disk: Disk,
    path: PathBuf,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.disk.state().locks.remove(&self.path);
    }
}

struct Handle {
    disk: Disk,
    inode: usize,
}

impl Handle {
    fn with<T>(&self, act: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut state = self.disk.state();
        act(state
            .inodes
            .get_mut(self.inode)
            .expect("invariant: an inode is never taken away"))
    }
}

impl File for Handle {
    fn len(&self) -> io::Result<u64> {
        self.with(|inode| Ok(inode.bytes.len() as u64))
    }

    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = offset as usize;
        self.with(|inode| match inode.bytes.get(start..start + buffer.len()) {
            Some(bytes) => {
                buffer.copy_from_slice(bytes);
                Ok(())
            }
            None => Err(ErrorKind::UnexpectedEof.into()),
        })
    }

    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = offset as usize;
        let end = start + bytes.len();
        self.with(|inode| {
            if inode.bytes.len() < end {
                inode.resize(end);
            }
            let target = inode
                .bytes
                .get_mut(start..end)
                .expect("invariant: the file was grown to hold the write");
            let before = target.to_vec();
            target.copy_from_slice(bytes);
            inode.undo.push(Undo::Bytes {
                offset: start,
                before,
            });
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|inode| {
            inode.resize(len as usize);
            Ok(())
        })
    }

    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            // What was written before the call is what the sync makes durable, however long it takes.
            let written = self.with(|inode| Ok(inode.undo.len()))?;
            tokio::time::sleep(Duration::from_millis(
                self.disk.chance.below(SYNC_MS_MAX + 1),
            ))
            .await;
            self.with(|inode| {
                inode.undo.drain(..written.min(inode.undo.len()));
                Ok(())
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn written(seed: u64, synced: bool) -> (Disk, Arc<dyn File>) {
        let disk = Disk::new(Chance::new(seed));
        let dir = Path::new("/d");
        disk.create_dir_all(dir).unwrap();
        let file = disk.create(&dir.join("f"), 4).unwrap();
        disk.sync_dir(dir).unwrap();
        file.write_all_at(b"abcd", 0).unwrap();
        if synced {
            file.sync_data().await.unwrap();
        }
        (disk, file)
    }

    #[tokio::test(start_paused = true)]
    async fn synced_bytes_survive() {
        let (disk, _) = written(1, true).await;
        disk.crash();
        let mut bytes = [0; 4];
        disk.open(Path::new("/d/f"))
            .unwrap()
            .read_exact_at(&mut bytes, 0)
            .unwrap();
        assert_eq!(&bytes, b"abcd");
    }

    #[tokio::test(start_paused = true)]
    async fn unsynced_bytes_can_be_lost_and_names_are_lost_without_a_sync() {
        let mut lost = 0;
        for seed in 0..16 {
            let (disk, file) = written(seed, false).await;
            disk.create(Path::new("/d/g"), 0).unwrap();
            disk.crash();
            let mut bytes = [0; 4];
            file.read_exact_at(&mut bytes, 0).unwrap();
            lost += u32::from(bytes == [0; 4]);
            assert!(!disk.exists(Path::new("/d/g")).unwrap());
        }
        assert!(
            (1..16).contains(&lost),
            "a crash loses some of what was not synced: {lost} of 16"
        );
    }
}
