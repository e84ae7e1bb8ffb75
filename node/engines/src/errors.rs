//! How the engines fail. A rejection is not a failure: it is an [`crate::Outcome`].

use node_storage::StorageError;

use crate::{DecodeError, FEATURE_LEVEL_MAX};

/// The node stops before a reply leaves.
#[derive(Debug, thiserror::Error)]
pub enum Fatal {
    /// The storage failed.
    #[error("failed to keep the state of entry {index}")]
    Storage {
        /// The last entry of the run.
        index: u64,
        /// Why.
        #[source]
        source: StorageError,
    },
    /// An entry is damaged, or was written by a newer program.
    #[error("failed to read entry {index}")]
    Entry {
        /// The entry's index.
        index: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// A value that an entry compares could not be read.
    #[error("failed to read what entry {index} compares")]
    Read {
        /// The entry's index.
        index: u64,
        /// Why.
        #[source]
        source: ReadError,
    },
    /// The log gave an entry twice, or left one out.
    #[error("failed to apply entry {index}: the last one applied is {applied}")]
    OutOfOrder {
        /// The entry's index.
        index: u64,
        /// The index of the last applied entry.
        applied: u64,
    },
    /// An earlier call failed; memory and storage may differ.
    #[error("failed to apply: the engines stopped after an earlier failure")]
    Stopped,
}

/// The stored state can not be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The storage failed.
    #[error("failed to read the state")]
    Storage(#[from] StorageError),
    /// A row is damaged, or was written by a newer program.
    #[error("failed to read a row of table {table}")]
    Row {
        /// The row's table.
        table: &'static str,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The state names a value that it does not have.
    #[error("failed to read the value of revision {revision}: the state lost it")]
    ValueLost {
        /// The revision.
        revision: u64,
    },
    /// The state belongs to a feature level that this program does not know.
    #[error(
        "failed to open the state: it is of feature level {level}, and this program knows {FEATURE_LEVEL_MAX}"
    )]
    FeatureLevel {
        /// The state's level.
        level: u32,
    },
}

/// A read failed. Fatal for the node as every failure of the storage is.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The storage failed.
    #[error("failed to read a value")]
    Storage(#[from] StorageError),
    /// A row is damaged.
    #[error("failed to read the change of revision {revision}")]
    Row {
        /// The revision.
        revision: u64,
        /// Why.
        #[source]
        source: DecodeError,
    },
    /// The index names a value that the storage does not have.
    #[error("failed to read the value of revision {revision}: the storage lost it")]
    Lost {
        /// The revision.
        revision: u64,
    },
}
