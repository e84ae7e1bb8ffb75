//! The contract in memory, with crashes on demand.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::ops::Bound;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use crate::{Batch, Op, Row, Storage, StorageError, Table, View};

type Rows = BTreeMap<Bytes, Bytes>;

/// All tables. Cloning shares them; the first change after a clone copies the one table it touches.
#[derive(Clone, Default)]
struct Tables {
    tables: BTreeMap<Cow<'static, str>, Arc<Rows>>,
    bytes: u64,
}

/// A [`Storage`] in memory. Clones are handles to the same content, as two openings of one disk would be.
///
/// It remembers what was committed since the last `persist`, so that [`Memory::crash`] can lose it; a caller that never
/// persists holds every batch ever committed.
#[derive(Clone, Default)]
pub struct Memory {
    inner: Arc<Mutex<Inner>>,
}

#[derive(Default)]
struct Inner {
    now: Tables,
    durable: Tables,
    since: Vec<Batch>,
}

impl Memory {
    /// An empty storage.
    pub fn new() -> Memory {
        Memory::default()
    }

    /// A crash that loses every commit since the last persist.
    pub fn crash(&self) {
        self.crash_at(0);
    }

    /// A crash that keeps the first `kept` of the commits since the last persist and loses the others. What is kept is
    /// durable afterwards.
    pub fn crash_at(&self, kept: usize) {
        let mut inner = self.lock();
        inner.since.truncate(kept);
        inner.settle();
        inner.now = inner.durable.clone();
    }

    /// What a crash now would leave at least, as a storage of its own.
    pub fn durable(&self) -> Memory {
        let durable = self.lock().durable.clone();
        let inner = Inner {
            now: durable.clone(),
            durable,
            since: Vec::new(),
        };
        Memory {
            inner: Arc::new(Mutex::new(inner)),
        }
    }

    /// How many commits a crash could lose now.
    pub fn unpersisted(&self) -> usize {
        self.lock().since.len()
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        // Nothing under the lock can panic half-way, so a poisoned lock still guards whole content.
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn settle(&mut self) {
        for batch in std::mem::take(&mut self.since) {
            self.durable.apply(&batch);
        }
    }
}

impl Tables {
    fn apply(&mut self, batch: &Batch) {
        for op in batch.ops() {
            match op {
                Op::Put { table, key, value } => {
                    self.put(Cow::Borrowed(table.0), key.clone(), value.clone());
                }
                Op::Delete { table, key } => self.delete(table.0, key),
            }
        }
    }

    fn put(&mut self, table: Cow<'static, str>, key: Bytes, value: Bytes) {
        let added = value.len() as u64;
        let key_bytes = key.len() as u64;
        let rows = Arc::make_mut(self.tables.entry(table).or_default());
        match rows.insert(key, value) {
            Some(old) => self.bytes = self.bytes + added - old.len() as u64,
            None => self.bytes += key_bytes + added,
        }
    }

    fn delete(&mut self, table: &str, key: &[u8]) {
        if let Some(rows) = self.tables.get_mut(table)
            && let Some(old) = Arc::make_mut(rows).remove(key)
        {
            self.bytes -= (key.len() + old.len()) as u64;
        }
    }

    fn get(&self, table: Table, key: &[u8]) -> Option<Bytes> {
        self.tables.get(table.0)?.get(key).cloned()
    }
}

impl Storage for Memory {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(self.lock().now.get(table, key))
    }

    fn view(&self) -> Result<Box<dyn View>, StorageError> {
        Ok(Box::new(self.lock().now.clone()))
    }

    fn commit(&self, batch: Batch) -> Result<(), StorageError> {
        let mut inner = self.lock();
        inner.now.apply(&batch);
        inner.since.push(batch);
        Ok(())
    }

    fn persist(&self) -> Result<(), StorageError> {
        self.lock().settle();
        Ok(())
    }

    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError> {
        let mut tables = Tables::default();
        let mut previous: Option<(Cow<'static, str>, Bytes)> = None;
        for (number, row) in rows.enumerate() {
            let Row { table, key, value } = row?;
            Table::check_name(&table)?;
            let this = (table, key);
            if previous.as_ref().is_some_and(|previous| *previous >= this) {
                return Err(StorageError::RowsOutOfOrder { row: number as u64 });
            }
            tables.put(this.0.clone(), this.1.clone(), value);
            previous = Some(this);
        }
        let mut inner = self.lock();
        inner.since.clear();
        inner.now = tables.clone();
        inner.durable = tables;
        Ok(())
    }

    fn bytes_used(&self) -> Result<u64, StorageError> {
        Ok(self.lock().now.bytes)
    }
}

impl View for Tables {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        Ok(Tables::get(self, table, key))
    }

    fn scan<'a>(
        &'a self,
        table: Table,
        range: (Bound<Bytes>, Bound<Bytes>),
    ) -> Box<dyn Iterator<Item = Result<(Bytes, Bytes), StorageError>> + Send + 'a> {
        match self.tables.get(table.0) {
            Some(rows) if !is_empty(&range) => Box::new(
                rows.range(range)
                    .map(|(key, value)| Ok((key.clone(), value.clone()))),
            ),
            _ => Box::new(std::iter::empty()),
        }
    }

    fn rows<'a>(&'a self) -> Box<dyn Iterator<Item = Result<Row, StorageError>> + Send + 'a> {
        Box::new(self.tables.iter().flat_map(|(table, rows)| {
            rows.iter().map(|(key, value)| {
                Ok(Row {
                    table: table.clone(),
                    key: key.clone(),
                    value: value.clone(),
                })
            })
        }))
    }
}

/// True where `BTreeMap::range` would panic: the start lies behind the end, or both exclude the same key.
fn is_empty(range: &(Bound<Bytes>, Bound<Bytes>)) -> bool {
    use Bound::{Excluded, Included, Unbounded};
    match range {
        (Unbounded, _) | (_, Unbounded) => false,
        (Included(start), Included(end)) => start > end,
        (Included(start) | Excluded(start), Included(end) | Excluded(end)) => start >= end,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::conformance::{self, Subject};

    struct InMemory(Memory);

    impl Subject for InMemory {
        fn storage(&self) -> Arc<dyn Storage> {
            Arc::new(self.0.clone())
        }
        fn reopen(&mut self) {}
        fn crash(&mut self) {
            self.0.crash();
        }
    }

    /// Crashes that keep half of what was not persisted.
    struct HalfLost(Memory);

    impl Subject for HalfLost {
        fn storage(&self) -> Arc<dyn Storage> {
            Arc::new(self.0.clone())
        }
        fn reopen(&mut self) {}
        fn crash(&mut self) {
            self.0.crash_at(self.0.unpersisted() / 2);
        }
    }

    #[test]
    fn memory_conforms_when_a_crash_loses_everything_unpersisted() {
        conformance::check(&|| Box::new(InMemory(Memory::new())));
    }

    #[test]
    fn memory_conforms_when_a_crash_loses_half_of_it() {
        conformance::check(&|| Box::new(HalfLost(Memory::new())));
    }

    #[test]
    fn a_crash_loses_exactly_the_suffix_asked_for() {
        const T: Table = Table("t");
        for kept in 0..=4_usize {
            let memory = Memory::new();
            for number in 0..4_u8 {
                let mut batch = Batch::new();
                batch.put(T, vec![number], vec![number]);
                memory.commit(batch).unwrap();
            }
            memory.crash_at(kept);
            for number in 0..4_u8 {
                let there = memory.get(T, &[number]).unwrap().is_some();
                assert_eq!(
                    there,
                    usize::from(number) < kept,
                    "kept {kept}, row {number}"
                );
            }
            assert_eq!(memory.bytes_used().unwrap(), 2 * kept as u64);
        }
    }
}
