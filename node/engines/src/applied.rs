//! What is applied, and how far.

use std::collections::BTreeSet;

use bytes::Bytes;

use crate::LogId;

/// One committed entry of the log, as the engines see it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// An encoded [`crate::Entry`].
    Command(Bytes),
    /// Another membership.
    Members {
        /// Every member, voters and learners.
        now: BTreeSet<u64>,
        /// Those that vote.
        voters: BTreeSet<u64>,
        /// The membership in the log's own format, kept for it and not read.
        blob: Bytes,
    },
    /// An entry of the log's own.
    Blank,
}

/// How far the state has come. It is stored in the same batch as what it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Applied {
    /// The last entry that was applied.
    pub last: LogId,
    /// The last membership, in the log's own format; empty where there was none.
    pub membership: Bytes,
    /// The entry that brought it.
    pub membership_at: Option<LogId>,
}
