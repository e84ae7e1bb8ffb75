//! A state as it was at one moment.

use std::borrow::Cow;
use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;
use fjall::{Guard, Readable as _, Snapshot};
use node_storage::{Row, StorageError, Table, View};

use crate::error::failed;
use crate::generation::Generation;
use crate::keys;

/// A snapshot of one generation, which it keeps on disk.
pub(crate) struct DiskView {
    snapshot: Snapshot,
    generation: Arc<Generation>,
}

impl DiskView {
    pub fn new(generation: Arc<Generation>) -> DiskView {
        DiskView {
            snapshot: generation.database().snapshot(),
            generation,
        }
    }
}

type Rows<'a, T> = Box<dyn Iterator<Item = Result<T, StorageError>> + Send + 'a>;

impl View for DiskView {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError> {
        let value = self
            .snapshot
            .get(self.generation.tree(), keys::row(table.0, key))
            .map_err(failed("read a row"))?;
        Ok(value.map(|value| Bytes::copy_from_slice(&value)))
    }

    fn scan<'a>(
        &'a self,
        table: Table,
        range: (Bound<Bytes>, Bound<Bytes>),
    ) -> Rows<'a, (Bytes, Bytes)> {
        let Some(range) = keys::range(table, range) else {
            return Box::new(std::iter::empty());
        };
        let rows = self.snapshot.range(self.generation.tree(), range);
        Box::new(rows.map(|row| read(row).map(|row| (row.key, row.value))))
    }

    fn rows<'a>(&'a self) -> Rows<'a, Row> {
        Box::new(self.snapshot.iter(self.generation.tree()).map(read))
    }
}

fn read(row: Guard) -> Result<Row, StorageError> {
    let (row, value) = row.into_inner().map_err(failed("read the rows"))?;
    let (table, key) = keys::split(&row).ok_or_else(|| {
        StorageError::failed("read the rows", "a key does not begin with a table's name")
    })?;
    Ok(Row {
        table: Cow::Owned(table.to_owned()),
        key: Bytes::copy_from_slice(key),
        value: Bytes::copy_from_slice(&value),
    })
}
