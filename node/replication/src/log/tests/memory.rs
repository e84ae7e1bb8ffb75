//! A disk in memory that a power loss can strike at any moment: of what was not synced, any sectors and any first part
//! of the changes of names may be there.

use std::collections::BTreeMap;
use std::io::{self, ErrorKind};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard};

use futures::future::BoxFuture;
use node_host::{File, Files, Host, Space, real};

/// Small, so that batches of a few entries are torn in many ways.
const SECTOR_BYTES: usize = 64;

/// A small generator: the same seed gives the same numbers.
pub struct Chance(pub u64);

impl Chance {
    pub fn below(&mut self, bound: u64) -> u64 {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }

    pub fn flip(&mut self) -> bool {
        self.below(2) == 0
    }
}

#[derive(Clone, Default)]
struct Inode {
    live: Vec<u8>,
    synced: Vec<u8>,
}

#[derive(Clone)]
enum Change {
    Set(String, usize),
    Unset(String),
    Rename(String, String),
}

#[derive(Clone, Default)]
struct Disk {
    inodes: Vec<Inode>,
    names: BTreeMap<String, usize>,
    synced_names: BTreeMap<String, usize>,
    changes: Vec<Change>,
    /// Calls until the disk answers no more.
    calls_left: Option<usize>,
}

impl Disk {
    fn call(&mut self) -> io::Result<()> {
        match &mut self.calls_left {
            None => Ok(()),
            Some(0) => Err(io::Error::other("the power is gone")),
            Some(left) => {
                *left -= 1;
                Ok(())
            }
        }
    }

    fn change(&mut self, change: Change) {
        apply(&mut self.names, &change);
        self.changes.push(change);
    }
}

fn apply(names: &mut BTreeMap<String, usize>, change: &Change) {
    match change {
        Change::Set(name, inode) => drop(names.insert(name.clone(), *inode)),
        Change::Unset(name) => drop(names.remove(name)),
        Change::Rename(from, to) => {
            if let Some(inode) = names.remove(from) {
                names.insert(to.clone(), inode);
            }
        }
    }
}

/// Such a disk, by whole paths. A clone is the same.
#[derive(Clone, Default)]
pub struct Memory(Arc<Mutex<Disk>>);

impl Memory {
    pub fn host(&self) -> Host {
        Host {
            files: Arc::new(self.clone()),
            ..Host::real()
        }
    }

    /// From the call after the next `calls` on, the disk answers with errors and keeps what it has.
    pub fn die_after(&self, calls: usize) {
        self.disk().calls_left = Some(calls);
    }

    /// Whether it answers no more.
    pub fn is_dead(&self) -> bool {
        self.disk().calls_left == Some(0)
    }

    /// What a power loss at this moment leaves.
    pub fn power_loss(&self, chance: &mut Chance) -> Memory {
        let disk = self.disk().clone();
        let mut names = disk.synced_names;
        let happened = chance.below(disk.changes.len() as u64 + 1);
        for change in disk.changes.iter().take(usize::try_from(happened).unwrap()) {
            apply(&mut names, change);
        }
        let inodes = disk
            .inodes
            .into_iter()
            .map(|inode| torn(inode, chance))
            .collect();
        Memory(Arc::new(Mutex::new(Disk {
            inodes,
            synced_names: names.clone(),
            names,
            changes: Vec::new(),
            calls_left: None,
        })))
    }

    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }
}

fn torn(inode: Inode, chance: &mut Chance) -> Inode {
    let Inode { live, synced } = inode;
    let mut bytes = if chance.flip() {
        synced.clone()
    } else {
        live.clone()
    };
    // Most losses take nothing or everything: then the whole file is one "sector".
    let sector = if chance.flip() {
        SECTOR_BYTES
    } else {
        live.len().max(1)
    };
    for (at, sector) in (0_usize..)
        .zip(bytes.chunks_mut(sector))
        .map(|(at, s)| (at * sector, s))
    {
        let source = if chance.flip() { &live } else { &synced };
        for (offset, byte) in (at..).zip(sector) {
            *byte = source.get(offset).copied().unwrap_or(0);
        }
    }
    Inode {
        live: bytes.clone(),
        synced: bytes,
    }
}

fn name_of(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

fn is_in(name: &str, dir: &Path) -> bool {
    Path::new(name).parent() == Some(dir)
}

fn changes_in(change: &Change, dir: &Path) -> bool {
    match change {
        Change::Set(name, _) | Change::Unset(name) | Change::Rename(name, _) => is_in(name, dir),
    }
}

impl Files for Memory {
    fn create_dir_all(&self, _: &Path) -> io::Result<()> {
        self.disk().call()
    }
    fn list(&self, dir: &Path) -> io::Result<Vec<String>> {
        let mut disk = self.disk();
        disk.call()?;
        let names = disk.names.keys().filter(|name| is_in(name, dir));
        let short = |name: &String| Path::new(name).file_name().unwrap().to_os_string();
        Ok(names
            .map(|name| short(name).into_string().unwrap())
            .collect())
    }
    fn exists(&self, path: &Path) -> io::Result<bool> {
        let mut disk = self.disk();
        disk.call()?;
        Ok(disk.names.contains_key(&name_of(path)))
    }
    fn create(&self, path: &Path, len: u64) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.call()?;
        if disk.names.contains_key(&name_of(path)) {
            return Err(ErrorKind::AlreadyExists.into());
        }
        let inode = disk.inodes.len();
        disk.inodes.push(Inode {
            live: vec![0; usize::try_from(len).unwrap()],
            synced: Vec::new(),
        });
        disk.change(Change::Set(name_of(path), inode));
        Ok(Arc::new(Opened {
            disk: self.clone(),
            inode,
        }))
    }
    fn open(&self, path: &Path) -> io::Result<Arc<dyn File>> {
        let mut disk = self.disk();
        disk.call()?;
        let inode = *disk.names.get(&name_of(path)).ok_or(ErrorKind::NotFound)?;
        Ok(Arc::new(Opened {
            disk: self.clone(),
            inode,
        }))
    }
    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call()?;
        disk.change(Change::Rename(name_of(from), name_of(to)));
        Ok(())
    }
    fn remove(&self, path: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call()?;
        disk.change(Change::Unset(name_of(path)));
        Ok(())
    }
    fn remove_dir_all(&self, _: &Path) -> io::Result<()> {
        Err(ErrorKind::Unsupported.into())
    }
    fn sync_dir(&self, dir: &Path) -> io::Result<()> {
        let mut disk = self.disk();
        disk.call()?;
        let Disk {
            synced_names,
            changes,
            ..
        } = &mut *disk;
        for change in changes.extract_if(.., |change| changes_in(change, dir)) {
            apply(synced_names, &change);
        }
        Ok(())
    }
    fn lock(&self, _: &Path) -> io::Result<Box<dyn Send + Sync>> {
        self.disk().call()?;
        Ok(Box::new(()))
    }
    fn space(&self, dir: &Path) -> io::Result<Space> {
        real::Files.space(dir)
    }
}

struct Opened {
    disk: Memory,
    inode: usize,
}

impl Opened {
    fn with<T>(&self, act: impl FnOnce(&mut Inode) -> io::Result<T>) -> io::Result<T> {
        let mut disk = self.disk.disk();
        disk.call()?;
        act(&mut disk.inodes[self.inode])
    }
}

impl File for Opened {
    fn len(&self) -> io::Result<u64> {
        self.with(|inode| Ok(inode.live.len() as u64))
    }
    fn read_exact_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.with(|inode| {
            let bytes = inode.live.get(start..start + buffer.len());
            buffer.copy_from_slice(bytes.ok_or(ErrorKind::UnexpectedEof)?);
            Ok(())
        })
    }
    fn write_all_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        let start = usize::try_from(offset).unwrap();
        self.with(|inode| {
            let end = inode.live.len().max(start + bytes.len());
            inode.live.resize(end, 0);
            inode.live[start..start + bytes.len()].copy_from_slice(bytes);
            Ok(())
        })
    }
    fn set_len(&self, len: u64) -> io::Result<()> {
        self.with(|inode| {
            inode.live.resize(usize::try_from(len).unwrap(), 0);
            Ok(())
        })
    }
    fn sync_data(&self) -> BoxFuture<'_, io::Result<()>> {
        Box::pin(async {
            self.with(|inode| {
                inode.synced = inode.live.clone();
                Ok(())
            })
        })
    }
}
