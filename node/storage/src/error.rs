//! How a storage fails.

use std::error::Error;

/// A failure of the storage. Every one of them is fatal to the node: it stops before a reply leaves.
#[derive(Debug, thiserror::Error)]
pub enum StorageError {
    /// The machine or the storage engine beneath refused to do its work.
    #[error("failed to {action}")]
    Failed {
        /// What was tried, as a verb phrase.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
    /// The rows given to [`crate::Storage::replace`] were not in strictly ascending order of table and key.
    #[error("failed to replace the state: row {row} does not follow the row before it in order")]
    RowsOutOfOrder {
        /// The number of the offending row, from 0.
        row: u64,
    },
    /// A row named a table that can not exist (see [`crate::Table`]).
    #[error(
        "failed to use table {name:?}: a table's name is 1 to 64 of a-z, 0-9, '.', '_' and '-'"
    )]
    TableName {
        /// The name that was refused.
        name: String,
    },
}

impl StorageError {
    /// A [`StorageError::Failed`] around any source.
    pub fn failed(
        action: &'static str,
        source: impl Into<Box<dyn Error + Send + Sync>>,
    ) -> StorageError {
        StorageError::Failed {
            action,
            source: source.into(),
        }
    }
}
