//! Tables, and the batch of changes that is committed to them as one.

use bytes::Bytes;

use crate::StorageError;

/// The name of a table: an ordered map from keys to values. Tables appear with their first row.
///
/// Names are 1 to 64 bytes of `[a-z0-9._-]`; they become names on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Table(pub &'static str);

impl Table {
    const NAME_BYTES_MAX: usize = 64;

    /// Refuses a name that no table can have.
    pub fn check_name(name: &str) -> Result<(), StorageError> {
        let allowed = |b: u8| b.is_ascii_lowercase() || b.is_ascii_digit() || b"._-".contains(&b);
        if (1..=Self::NAME_BYTES_MAX).contains(&name.len()) && name.bytes().all(allowed) {
            return Ok(());
        }
        Err(StorageError::TableName {
            name: name.to_owned(),
        })
    }
}

/// One change to one table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Op {
    /// Sets the value of a key, whether or not it had one.
    Put {
        /// The table that is changed.
        table: Table,
        /// The row's key.
        key: Bytes,
        /// The row's new value.
        value: Bytes,
    },
    /// Removes a key; nothing happens where it has no value.
    Delete {
        /// The table that is changed.
        table: Table,
        /// The row's key.
        key: Bytes,
    },
}

/// An ordered list of changes, committed together or not at all. A later change to a key wins over an earlier one.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Batch {
    ops: Vec<Op>,
}

impl Batch {
    /// A batch without changes.
    pub fn new() -> Batch {
        Batch::default()
    }

    /// Adds: set `key` in `table` to `value`.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        self.ops.push(Op::Put {
            table,
            key: key.into(),
            value: value.into(),
        });
    }

    /// Adds: remove `key` from `table`.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        self.ops.push(Op::Delete {
            table,
            key: key.into(),
        });
    }

    /// True when there is nothing to commit.
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }

    /// The number of changes.
    pub fn len(&self) -> usize {
        self.ops.len()
    }

    /// Adds the changes of `other` after those of this batch.
    pub fn append(&mut self, mut other: Batch) {
        if self.ops.is_empty() {
            *self = other;
        } else {
            self.ops.append(&mut other.ops);
        }
    }

    /// The changes, in order.
    pub fn ops(&self) -> &[Op] {
        &self.ops
    }

    /// The changes, in order, given away.
    pub fn into_ops(self) -> Vec<Op> {
        self.ops
    }
}
