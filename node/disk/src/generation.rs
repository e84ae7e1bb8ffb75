//! One folder with one state: an open fjall database.

use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use node_storage::{Batch, Op, Row, StorageError, Table};

use crate::error::failed;
use crate::{DiskError, keys};

/// The one tree that holds every table.
const TREE: &str = "rows";
/// What a row takes of a memtable besides its key and value, about.
const ROW_BYTES: usize = 128;

/// What a state may take of memory.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Tuning {
    /// The cache of blocks that were read.
    pub cache_bytes: u64,
    /// What is written before it goes to a file of its own; up to five of these at a time.
    pub memtable_bytes: u64,
}

impl Default for Tuning {
    fn default() -> Tuning {
        Tuning {
            cache_bytes: 64 << 20,
            memtable_bytes: 32 << 20,
        }
    }
}

/// An open state. Dropped after [`Generation::retire`], it takes its folder with it.
pub(crate) struct Generation {
    /// Closed before the folder goes; always there until then.
    open: Option<(Database, Keyspace)>,
    path: PathBuf,
    retired: AtomicBool,
    /// Bytes that were written since a memtable was handed over.
    unflushed: AtomicU64,
    memtable_bytes: u64,
}

impl Generation {
    /// Opens the state in `path`, or makes an empty one.
    pub fn open(path: PathBuf, tuning: Tuning) -> Result<Generation, DiskError> {
        let opening = |source| DiskError::opening(&path, source);
        let database = Database::builder(&path)
            .cache_size(tuning.cache_bytes)
            // Of two, one spins while the other compacts; see `hand_over` for what one alone needs.
            .worker_threads(1)
            .open()
            .map_err(opening)?;
        let options = || {
            KeyspaceCreateOptions::default()
                .max_memtable_size(u64::MAX)
                .expect_point_read_hits(true)
        };
        let tree = database.keyspace(TREE, options).map_err(opening)?;
        // What was found is not counted below.
        tree.rotate_memtable().map_err(opening)?;
        Ok(Generation {
            open: Some((database, tree)),
            path,
            retired: AtomicBool::new(false),
            unflushed: AtomicU64::new(0),
            memtable_bytes: tuning.memtable_bytes,
        })
    }

    pub fn database(&self) -> &Database {
        &self.opened().0
    }

    pub fn tree(&self) -> &Keyspace {
        &self.opened().1
    }

    fn opened(&self) -> &(Database, Keyspace) {
        self.open
            .as_ref()
            .expect("invariant: a state is closed only when it is dropped")
    }

    pub fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let tree = self.tree();
        let mut write = self.database().batch();
        let mut bytes = 0;
        // Keys and values are copied: a slice that is kept in a memtable would keep the whole buffer it was cut from.
        for op in batch.ops() {
            match op {
                Op::Put { table, key, value } => {
                    bytes += key.len() + value.len() + ROW_BYTES;
                    write.insert(tree, keys::row(table.0, key), value.as_ref());
                }
                Op::Delete { table, key } => {
                    bytes += key.len() + ROW_BYTES;
                    write.remove(tree, keys::row(table.0, key));
                }
            }
        }
        write.commit().map_err(failed("commit a batch"))?;
        self.hand_over(bytes as u64)
    }

    /// Counts what was written, and has a full memtable go to a file.
    ///
    /// fjall would see to that itself. But each write past its mark pokes the worker once more, and a single worker whose
    /// queue is full of that waits for itself for ever: <https://github.com/fjall-rs/fjall/pull/323>.
    fn hand_over(&self, written: u64) -> Result<(), StorageError> {
        let before = self.unflushed.fetch_add(written, Ordering::Relaxed);
        if before + written >= self.memtable_bytes {
            self.unflushed.store(0, Ordering::Relaxed);
            let tree = self.tree();
            tree.rotate_memtable()
                .map_err(failed("begin another memtable"))?;
        }
        Ok(())
    }

    pub fn persist(&self) -> Result<(), StorageError> {
        self.database()
            .persist(PersistMode::SyncAll)
            .map_err(failed("make the state durable"))
    }

    /// Fills an empty state with rows in ascending order, durably.
    pub fn fill(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        let write_failed = failed("write the new state");
        let mut ingestion = self.tree().start_ingestion().map_err(&write_failed)?;
        let mut previous: Option<Vec<u8>> = None;
        for (number, row) in rows.enumerate() {
            let Row { table, key, value } = row?;
            Table::check_name(&table)?;
            let key = keys::row(&table, &key);
            if previous.as_ref().is_some_and(|previous| *previous >= key) {
                return Err(StorageError::RowsOutOfOrder { row: number as u64 });
            }
            ingestion
                .write(key.as_slice(), value.as_ref())
                .map_err(&write_failed)?;
            previous = Some(key);
        }
        ingestion.finish().map_err(&write_failed)?;
        self.persist()
    }

    /// Bytes that the folder's files take up on the disk.
    pub fn bytes_used(&self) -> Result<u64, StorageError> {
        bytes_under(&self.path).map_err(|source| StorageError::failed("measure the state", source))
    }

    /// Lets the folder go when the last view of this state is dropped.
    pub fn retire(&self) {
        self.retired.store(true, Ordering::Release);
    }
}

impl Drop for Generation {
    fn drop(&mut self) {
        self.open = None;
        if self.retired.load(Ordering::Acquire) {
            // What can not be removed now is swept at the next opening.
            let _left_over = fs::remove_dir_all(&self.path);
        }
    }
}

/// Blocks, not lengths: journals are long before they are full. A file that goes while it is measured counts nothing.
fn bytes_under(dir: &Path) -> std::io::Result<u64> {
    let missing = |error: &std::io::Error| error.kind() == std::io::ErrorKind::NotFound;
    let mut bytes = 0;
    let mut folders = vec![dir.to_owned()];
    while let Some(folder) = folders.pop() {
        let items = match fs::read_dir(&folder) {
            Err(error) if missing(&error) => continue,
            items => items?,
        };
        for item in items {
            let item = item?;
            match item.metadata() {
                Err(error) if missing(&error) => {}
                Err(error) => return Err(error),
                Ok(metadata) if metadata.is_dir() => folders.push(item.path()),
                Ok(metadata) => bytes += metadata.blocks() * 512,
            }
        }
    }
    Ok(bytes)
}
