//! The write-ahead log: what this member promised, on its own disk.
//!
//! One OS thread owns the disk. It takes all that is queued (up to [`Limits::batch_bytes`]), writes it with one write,
//! makes it durable with one fdatasync, and only then reports, in the order of the calls. Entries, votes, truncations
//! and purges go through the same queue, so they never overtake each other. An error of a write or a sync is final:
//! nothing is tried again, and everybody who waits or comes later gets it.
//!
//! On disk: segment files `<sequence>.log`, allocated and filled with zeros before use, each with a header and, at its
//! head, the facts of the segments before it (vote, purge point, committed mark, end), so that those can be deleted.
//! A segment holds batches, one for each sync; a batch carries its sequence and the checksum of the one before. A
//! segment gets its name only when its first batch is durable, so only the last batch of the last segment can be
//! torn by a crash. The file `stopped` says where a cleanly closed log ends.
//!
//! This module does not know Raft's rules, what an entry means, or when to purge.

mod errors;
mod format;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod index;
mod item;
mod limits;
mod queue;
mod reader;
mod record;
mod recovery;
mod replay;
mod segment;
mod stats;
mod stopped;
#[cfg(test)]
pub(crate) mod tests;
mod wal;
mod writer;

pub use errors::{LogFailed, OpenError};
pub use limits::Limits;
pub use record::{Record, RecordKind, Recovered, Vote};
pub use stats::LogStats;
pub use wal::Wal;
