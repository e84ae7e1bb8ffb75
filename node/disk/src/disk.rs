//! The storage on disk.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, PoisonError, RwLock};

use bytes::Bytes;
use node_storage::{Batch, Row, Storage, StorageError, Table, View};

use crate::current::{self, Contents, aside_dir, state_dir, sync_dir};
use crate::error::failed;
use crate::generation::{Generation, Tuning};
use crate::view::DiskView;
use crate::{DiskError, keys};

/// A [`Storage`] in a folder of its own on a real disk.
pub struct Disk {
    dir: PathBuf,
    tuning: Tuning,
    current: RwLock<Arc<Generation>>,
}

/// Whether a state had to be set aside.
#[derive(Debug)]
pub enum SetAside {
    /// The state opened, or there was none.
    No,
    /// The state was damaged. It lies in `aside-<n>` beside the new, empty one, which is to be rebuilt from snapshot and log.
    Yes {
        /// What was wrong with it.
        why: DiskError,
    },
}

impl Disk {
    /// Opens the state under `dir`, which is made where it is missing, and sweeps what a crash left over.
    pub fn open(dir: &Path) -> Result<Disk, DiskError> {
        Disk::open_tuned(dir, Tuning::default())
    }

    /// Opens the state under `dir`. One that is damaged is set aside, and an empty one takes its place; every other error is
    /// passed on.
    pub fn open_or_set_aside(dir: &Path) -> Result<(Disk, SetAside), DiskError> {
        match Disk::open(dir) {
            Ok(disk) => Ok((disk, SetAside::No)),
            Err(why) if why.is_damage() => {
                Disk::set_aside(dir)?;
                Ok((Disk::open(dir)?, SetAside::Yes { why }))
            }
            Err(error) => Err(error),
        }
    }

    /// Sets the state under `dir` aside, for one that opens but whose content turns out to be damaged. It must not be open.
    /// Only the last state that was set aside is kept.
    pub fn set_aside(dir: &Path) -> Result<(), DiskError> {
        let contents = Contents::list(dir).map_err(DiskError::io("list", dir))?;
        let named = match current::read(dir) {
            Err(error) if !error.is_damage() => return Err(error),
            named => named.ok().flatten(),
        };
        let newest = contents.states.iter().copied().max();
        if let Some(number) = named
            .filter(|number| contents.states.contains(number))
            .or(newest)
        {
            for old in &contents.asides {
                remove(&aside_dir(dir, *old))?;
            }
            let from = state_dir(dir, number);
            fs::rename(&from, aside_dir(dir, number)).map_err(DiskError::io("set aside", &from))?;
        }
        let empty = contents.next();
        current::write(dir, empty).map_err(DiskError::io("name the state in", dir))?;
        // The empty state itself is made last, so that a crash in between leaves a name without a folder: damage again.
        let path = state_dir(dir, empty);
        Generation::open(path, Tuning::default())?;
        sync_dir(dir).map_err(DiskError::io("sync", dir))
    }

    pub(crate) fn open_tuned(dir: &Path, tuning: Tuning) -> Result<Disk, DiskError> {
        fs::create_dir_all(dir).map_err(DiskError::io("create", dir))?;
        let (number, generation) = match current::read(dir)? {
            Some(number) => {
                let path = state_dir(dir, number);
                if !path.is_dir() {
                    let what = "the folder that CURRENT names is missing";
                    return Err(DiskError::Damaged {
                        path,
                        what,
                        source: None,
                    });
                }
                (number, Generation::open(path, tuning)?)
            }
            None => Disk::create(dir, tuning)?,
        };
        // Only now is the state's lock held: what lies beside it belongs to nobody.
        sweep(dir, number)?;
        let current = RwLock::new(Arc::new(generation));
        Ok(Disk {
            dir: dir.to_owned(),
            tuning,
            current,
        })
    }

    /// Makes the first state of a folder. What a crash left of an earlier attempt is passed over, and swept later.
    fn create(dir: &Path, tuning: Tuning) -> Result<(u64, Generation), DiskError> {
        let number = Contents::list(dir)
            .map_err(DiskError::io("list", dir))?
            .next();
        let generation = Generation::open(state_dir(dir, number), tuning)?;
        current::write(dir, number).map_err(DiskError::io("name the state in", dir))?;
        Ok((number, generation))
    }

    #[cfg(test)]
    pub(crate) fn dir(&self) -> &Path {
        &self.dir
    }

    fn current(&self) -> Arc<Generation> {
        // The lock guards one pointer, which a panic can not leave half-written.
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Storage for Disk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let generation = self.current();
        let value = generation
            .tree()
            .get(keys::row(table.0, key))
            .map_err(failed("read a row"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        Ok(Box::new(DiskView::new(self.current())))
    }

    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        self.current().commit(batch)
    }

    fn persist(&self) -> Result<(), StorageError> {
        self.current().persist()
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        let storage_failed = |source| StorageError::failed("replace the state", source);
        let contents = Contents::list(&self.dir).map_err(storage_failed)?;
        let number = contents.next();
        let path = state_dir(&self.dir, number);
        let generation = Generation::open(path, self.tuning)
            .map_err(|source| StorageError::failed("make a new state", source))?;
        if let Err(error) = generation.fill(rows) {
            generation.retire();
            return Err(error);
        }
        // From here on a failure leaves both folders: CURRENT, whichever it names, has its own.
        sync_dir(&self.dir).map_err(storage_failed)?;
        current::write(&self.dir, number).map_err(storage_failed)?;
        let new = Arc::new(generation);
        let old = std::mem::replace(
            &mut *self.current.write().unwrap_or_else(PoisonError::into_inner),
            new,
        );
        old.retire();
        for aside in contents.asides {
            fs::remove_dir_all(aside_dir(&self.dir, aside)).map_err(storage_failed)?;
        }
        Ok(())
    }

    fn bytes_used(&self) -> Result<u64, StorageError> {
        self.current().bytes_used()
    }
}

/// Removes every state but the current one.
fn sweep(dir: &Path, current: u64) -> Result<(), DiskError> {
    let contents = Contents::list(dir).map_err(DiskError::io("list", dir))?;
    for state in contents.states {
        if state != current {
            remove(&state_dir(dir, state))?;
        }
    }
    Ok(())
}

fn remove(folder: &Path) -> Result<(), DiskError> {
    match fs::remove_dir_all(folder) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => {
            Err(DiskError::io("remove", folder)(error))
        }
        _ => Ok(()),
    }
}
