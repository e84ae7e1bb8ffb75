//! Keys and their values, in the engine's first form: put, delete, get, and lists by prefix, with a revision for every write.
//!
//! The index (key -> revisions and size) is in memory, ordered; values are on disk by revision and never change. Each key has
//! one version: there is no history to read yet, so the batch that writes a value also deletes the one it supersedes.
//!
//! Not here yet: transactions that compare, watches, leases, reads of an older revision, compaction.

mod command;
mod engine;
mod index;

pub use command::{Command, Reply, Revision};
pub(crate) use engine::{Transaction, revision_key};
pub(crate) use index::{Changes, Index, Version};
