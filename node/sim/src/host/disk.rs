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
/// The longest a sync of a healthy disk takes.
const SYNC_MS_MAX: u64 = 4;
/// What a sync that failed says, and a folder that lost its power.
pub const FAILED_ON_PURPOSE: [&str; 2] = [
    "the disk did not take what was written",
    "the power is gone",
];
/// What a disk writes whole or not at all.
const SECTOR_BYTES: usize = 512;

/// The disk of one node. Clones are the same disk; it outlives the node's crashes.
#[derive(Clone)]
pub struct Disk {
    state: Arc<Mutex<State>>,
    chance: Chance,
}

struct State {
    available_bytes: u64,
    /// Time that each sync takes beyond the usual.
    slow: Duration,
    /// The next sync fails.
    fails: bool,
    /// Writes and syncs until the power goes; `None` while it stays.
    until_power_loss: Option<u64>,
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
            slow: Duration::ZERO,
            fails: false,
            until_power_loss: None,
            folders: BTreeSet::new(),
            names: BTreeMap::new(),
            durable_names: BTreeMap::new(),
            inodes: Vec::new(),
            locks: BTreeSet::new(),
        }
    }
}

impl State {
    /// Counts an operation; false once the power is gone.
    fn has_power(&mut self) -> bool {
        match &mut self.until_power_loss {
            None => true,
            Some(0) => false,
            Some(left) => {
                *left -= 1;
                true
            }
        }
    }
}

#[derive(Default)]
struct Inode {
    /// What a reader sees.
    bytes: Vec<u8>,
    /// What a power loss leaves in any case.
    durable: Vec<u8>,
    /// What lies between the two, oldest first.
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write { offset: usize, bytes: Vec<u8> },
    Length(usize),
}

impl Change {
    fn apply(&self, to: &mut Vec<u8>) {
        match self {
            Change::Length(len) => to.resize(*len, 0),
            Change::Write { offset, bytes } => put(to, *offset, bytes),
        }
    }
}

fn put(to: &mut Vec<u8>, offset: usize, bytes: &[u8]) {
    let end = offset + bytes.len();
    if to.len() < end {
        to.resize(end, 0);
    }
    let target = to.get_mut(offset..end);
    target
        .expect("invariant: the file was grown to hold the write")
        .copy_from_slice(bytes);
}

/// What of the unsynced writes a power loss leaves.
#[derive(Clone, Copy)]
enum Loss {
    /// The first of them, as many as chance says.
    Suffix,
    /// Any sectors of any of them: a disk writes in the order it likes.
    Sectors,
}

impl Inode {
    fn change(&mut self, change: Change) {
        change.apply(&mut self.bytes);
        self.unsynced.push(change);
    }

    fn lose_power(&mut self, loss: Loss, chance: &Chance) {
        let changes = std::mem::take(&mut self.unsynced);
        match loss {
            Loss::Suffix => {
                let kept = chance.below(changes.len() as u64 + 1) as usize;
                for change in changes.iter().take(kept) {
                    change.apply(&mut self.durable);
                }
            }
            Loss::Sectors => {
                for change in &changes {
                    match change {
                        Change::Length(_) if chance.below(2) == 0 => {}
                        Change::Length(_) => change.apply(&mut self.durable),
                        Change::Write { offset, bytes } => {
                            for (at, sector) in sectors(*offset, bytes) {
                                if chance.below(2) == 0 {
                                    put(&mut self.durable, at, sector);
                                }
                            }
                        }
                    }
                }
            }
        }
        self.bytes.clone_from(&self.durable);
    }
}

/// A write cut at the boundaries of sectors.
fn sectors(mut offset: usize, mut bytes: &[u8]) -> Vec<(usize, &[u8])> {
    let mut cut = Vec::new();
    while !bytes.is_empty() {
        let here = (SECTOR_BYTES - offset % SECTOR_BYTES).min(bytes.len());
        let (sector, rest) = bytes.split_at(here);
        cut.push((offset, sector));
        (offset, bytes) = (offset + here, rest);
    }
    cut
}

impl Disk {
    /// An empty disk.
    pub fn new(chance: Chance) -> Self {
        Self {
            state: Arc::default(),
            chance,
        }
    }

    /// The power goes: names not synced are gone, and of the unsynced writes to each file some are lost: the last ones,
    /// or any sectors. No node may be using the disk.
    pub fn crash(&self) {
        let mut state = self.state();
        state.until_power_loss = None;
        state.fails = false;
        state.names = state.durable_names.clone();
        state.locks.clear();
        let loss = match self.chance.below(2) {
            0 => Loss::Suffix,
            _ => Loss::Sectors,
        };
        for inode in &mut state.inodes {
            inode.lose_power(loss, &self.chance);
        }
    }

    /// The node ends and its machine does not: nothing is lost, and what was not synced may still be.
    pub fn release(&self) {
        let mut state = self.state();
        state.locks.clear();
        state.until_power_loss = None;
    }

    /// The disk is replaced by an empty one.
    pub fn wipe(&self) {
        *self.state() = State::default();
    }

    /// From now on it says that so much of it is free. Writing never fails: nodes are to stop before it could.
    pub fn leave(&self, available_bytes: u64) {
        self.state().available_bytes = available_bytes;
    }

    /// It has room, and its usual speed.
    pub fn make_whole(&self) {
        let mut state = self.state();
        state.available_bytes = DISK_BYTES / 2;
        state.slow = Duration::ZERO;
    }

    /// From now on each sync takes so much longer.
    pub fn slow_down(&self, by: Duration) {
        self.state().slow = by;
    }

    /// The next sync fails. As on Linux, the writes it was for are read back as if they were there, are never written,
    /// and a second sync says that all is well.
    pub fn fail_next_sync(&self) {
        self.state().fails = true;
    }

    /// The power goes after so many more writes and syncs: until [`Disk::crash`] nothing becomes durable any more.
    pub fn lose_power_after(&self, operations: u64) {
        self.state().until_power_loss = Some(operations);
    }

    /// True once the power that [`Disk::lose_power_after`] spoke of is gone.
    pub fn has_lost_power(&self) -> bool {
        self.state().until_power_loss == Some(0)
    }

    /// Turns one bit over in a file whose path `of` accepts, among the bytes that are not zero; says where.
    pub fn flip(&self, of: impl Fn(&Path) -> bool) -> Option<String> {
        let mut state = self.state();
        let names = state.names.iter().filter(|(path, _)| of(path));
        let named: Vec<(PathBuf, usize)> = names.map(|(path, at)| (path.clone(), *at)).collect();
        let pick = self.chance.below(named.len() as u64) as usize;
        let (path, inode) = named.into_iter().nth(pick)?;
        let inode = state.inodes.get_mut(inode)?;
        let used: Vec<usize> = (0..inode.bytes.len())
            .filter(|at| inode.bytes.get(*at) != Some(&0))
            .collect();
        let at = *used.get(self.chance.below(used.len() as u64) as usize)?;
        let mask = 1 << self.chance.below(8);
        for bytes in [&mut inode.bytes, &mut inode.durable] {
            if let Some(byte) = bytes.get_mut(at) {
                *byte ^= mask;
            }
        }
        Some(format!("{} at {at}", path.display()))
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
        let mut empty = Inode::default();
        empty.change(Change::Length(len as usize));
        state.inodes.push(empty);
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
        if !state.has_power() {
            return Err(io::Error::other(FAILED_ON_PURPOSE[1]));
        }
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
        self.disk.state().has_power();
        let (offset, bytes) = (offset as usize, bytes.to_vec());
        self.with(|inode| {
            inode.change(Change::Write { offset, bytes });
            Ok(())
        })
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|inode| {
            inode.change(Change::Length(len as usize));
            Ok(())
        })
    }

    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            // What was written before the call is what the sync makes durable, however long it takes.
            let written = self.with(|inode| Ok(inode.unsynced.len()))?;
            let slow = self.disk.state().slow;
            let usual = Duration::from_millis(self.disk.chance.below(SYNC_MS_MAX + 1));
            tokio::time::sleep(usual + slow).await;
            if !self.disk.state().has_power() {
                return std::future::pending().await;
            }
            let fails = std::mem::take(&mut self.disk.state().fails);
            self.with(|inode| {
                let written = written.min(inode.unsynced.len());
                for change in inode.unsynced.drain(..written) {
                    if !fails {
                        change.apply(&mut inode.durable);
                    }
                }
                match fails {
                    true => Err(io::Error::other(FAILED_ON_PURPOSE[0])),
                    false => Ok(()),
                }
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
        file.sync_data().await.unwrap();
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

    #[tokio::test(start_paused = true)]
    async fn what_a_failed_sync_was_for_is_read_and_never_durable() {
        let (disk, file) = written(1, true).await;
        file.write_all_at(b"wxyz", 0).unwrap();
        disk.fail_next_sync();
        file.sync_data().await.unwrap_err();
        file.sync_data().await.unwrap();
        let mut bytes = [0; 4];
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"wxyz");
        disk.crash();
        file.read_exact_at(&mut bytes, 0).unwrap();
        assert_eq!(&bytes, b"abcd");
    }

    #[tokio::test(start_paused = true)]
    async fn sectors_survive_in_any_order() {
        let mut kinds = BTreeSet::new();
        for seed in 0..64 {
            let disk = Disk::new(Chance::new(seed));
            let file = disk
                .create(Path::new("f"), 3 * SECTOR_BYTES as u64)
                .unwrap();
            file.sync_data().await.unwrap();
            disk.sync_dir(Path::new("")).unwrap();
            file.write_all_at(&[1; 3 * SECTOR_BYTES], 0).unwrap();
            disk.crash();
            let mut bytes = [0; 3 * SECTOR_BYTES];
            file.read_exact_at(&mut bytes, 0).unwrap();
            kinds.insert([0, 1, 2].map(|n| bytes[n * SECTOR_BYTES]));
        }
        assert_eq!(kinds.len(), 8, "{kinds:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn after_the_power_is_gone_nothing_becomes_durable() {
        let (disk, file) = written(1, true).await;
        disk.lose_power_after(1);
        file.write_all_at(b"wxyz", 0).unwrap();
        let synced = tokio::time::timeout(Duration::from_secs(1), file.sync_data()).await;
        assert!(synced.is_err() && disk.has_lost_power());
    }
}
