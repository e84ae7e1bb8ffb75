//! The bounds of what an entry may carry and of what the state remembers. They are replicated behaviour: a change needs a
//! new feature level.

/// Largest key, in bytes.
pub const KEY_BYTES_MAX: usize = 4096;

/// Largest value, in bytes (1 MiB).
pub const VALUE_BYTES_MAX: usize = 1 << 20;

/// Most commands in one entry.
pub const COMMANDS_PER_ENTRY_MAX: usize = 128;

/// How long a request id is remembered, in milliseconds of stamp time (10 minutes).
pub const REQUEST_MILLIS_KEPT: u64 = 600_000;

/// How many request ids are remembered; beyond it new ones are answered [`crate::Rejection::Busy`].
pub const REQUESTS_MAX: usize = 65_536;

/// Most expired request ids that one entry removes, so that no entry has much more work than another.
pub const REQUESTS_EVICTED_PER_ENTRY_MAX: usize = 64;

/// A digest is kept for every index that this divides.
pub const DIGEST_INTERVAL: u64 = 64;

/// How many of them are kept: the digests of the last 262,144 entries.
pub const DIGESTS_MAX: u64 = 4096;

/// Most steps and comparisons in one transaction, those of the transactions within it included.
pub const STEPS_PER_TXN_MAX: usize = 1024;

/// Most alarms that are active at a time: some of each member that a cluster has.
pub const ALARMS_MAX: usize = 1024;

/// The highest revision that revisions may be advanced to: 2^62, above which as many are left for clients, who have 63 bits.
pub const ADVANCED_REVISION_MAX: u64 = 1 << 62;

/// The highest feature level that this program understands. A state or an entry above it stops the node.
pub const FEATURE_LEVEL_MAX: u32 = 2;
