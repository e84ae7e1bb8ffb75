//! node-storage: what the engines keep their state in, as a contract.
//!
//! Ordered bytes in named tables, atomic batches, consistent views, and one honest statement about durability:
//! a commit is visible at once and durable only after [`Storage::persist`]; a crash loses a *suffix* of the commits
//! made since, never one in the middle. The log replays what was lost.
//!
//! [`Memory`] keeps the contract in memory and can lose what was not synced, for tests and the simulator; node-disk
//! keeps it on a real disk; [`conformance`] is the one suite that runs against both. [`Digest`] is the running hash over
//! batches by which nodes prove that they hold the same state.
//!
//! What this room does not do: transactions that read, background compaction of history, encryption.

mod batch;
pub mod conformance;
mod contract;
mod digest;
mod error;
mod memory;

pub use batch::{Batch, Op, Table};
pub use contract::{Row, Storage, View};
pub use digest::{Digest, ParseDigestError};
pub use error::StorageError;
pub use memory::Memory;
