//! The contract itself.

use std::borrow::Cow;
use std::ops::Bound;

use bytes::Bytes;

use crate::{Batch, StorageError, Table};

/// One row of one table, as it leaves a [`View`] and enters [`Storage::replace`].
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    /// The table's name.
    pub table: Cow<'static, str>,
    /// The row's key.
    pub key: Bytes,
    /// The row's value.
    pub value: Bytes,
}

/// Ordered tables of bytes with atomic batches.
///
/// **Who calls.** One writer (the task that applies the log) calls `commit`, `persist` and `replace`, one at a time;
/// any number of readers call `get` and `view` at any time from any thread.
///
/// **Order.** A commit is seen whole or not at all, by every `get` and `view` that starts after it returned.
///
/// **Durability.** A commit is not durable when it returns. After a crash the storage holds exactly the first *n*
/// commits, for some *n* that covers at least every commit before the last `persist` that returned.
///
/// **Errors.** Every error is fatal: the caller stops using the storage and opens it again. A failed `commit` or
/// `persist` may or may not have taken effect; a failed `replace` left the old content in place.
pub trait Storage: Send + Sync + 'static {
    /// The value of `key` in `table` now.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// A consistent view of all tables as they are now. It stays valid, and stays the same, whatever is committed or
    /// replaced later; it holds resources until it is dropped.
    fn view(&self) -> Result<Box<dyn View>, StorageError>;

    /// Makes the changes of `batch` visible as one.
    fn commit(&self, batch: Batch) -> Result<(), StorageError>;

    /// Makes every commit so far durable before it returns.
    fn persist(&self) -> Result<(), StorageError>;

    /// Swaps the whole content for `rows`, atomically and durably: a crash leaves the old content or the new.
    /// The rows must come in strictly ascending order of table and key, as [`View::rows`] gives them. An error among the rows
    /// is passed on and leaves the old content.
    fn replace(
        &self,
        rows: &mut dyn Iterator<Item = Result<Row, StorageError>>,
    ) -> Result<(), StorageError>;

    /// Bytes the content takes up, as near as the implementation knows (on disk: of files; in memory: of keys and values).
    fn bytes_used(&self) -> Result<u64, StorageError>;
}

/// A consistent view of all tables at one moment.
pub trait View: Send + Sync {
    /// The value of `key` in `table` at that moment.
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Bytes>, StorageError>;

    /// The rows of `table` whose keys lie in `range`, in ascending order of keys.
    fn scan<'a>(
        &'a self,
        table: Table,
        range: (Bound<Bytes>, Bound<Bytes>),
    ) -> Box<dyn Iterator<Item = Result<(Bytes, Bytes), StorageError>> + Send + 'a>;

    /// Every row of every table, in ascending order of table and key.
    fn rows<'a>(&'a self) -> Box<dyn Iterator<Item = Result<Row, StorageError>> + Send + 'a>;
}
