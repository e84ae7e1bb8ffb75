//! What a node is told at its start.

use std::time::Duration;

use crate::access;

/// Everything a node is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// What its log is told.
    pub replication: node_replication::Config,
    /// Bounds on requests.
    pub limits: Limits,
    /// The version of the program, to be reported.
    pub version: String,
    /// The feature level of a cluster that this node founds: a lower one than its program knows lets older ones join.
    pub founding_level: u32,
    /// Passwords and tokens.
    pub access: access::Config,
}

/// Bounds on requests, and on what they leave behind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A write without a reply after this time has an unknown outcome.
    pub write_within: Duration,
    /// A read that is not placed after this time is unavailable.
    pub read_within: Duration,
    /// The most keys on one page of a list.
    pub list_items_max: usize,
    /// A page ends early when its values have so many bytes.
    pub list_bytes_max: usize,
    /// Writes are refused below so many free bytes on the disk (or half of a disk that is small): as much as the node
    /// may still take of it by itself.
    pub reserve_bytes: u64,
    /// Writes are refused below this share of the disk, in percent.
    pub reserve_percent: u64,
    /// A node that has not applied so many committed entries is not ready.
    pub lag_entries_max: u64,
    /// The history of the keys is cut in half when it has more revisions.
    pub history_revisions_max: u64,
    /// The history of the keys is cut in half when the values that were replaced have more bytes; but for the last revisions,
    /// [`node_engines::kv::REVISIONS_ANSWERED`], which stay.
    pub history_bytes_max: u64,
    /// What would have the keys, their history and their leases take more bytes is refused, and an alarm raised.
    pub quota_bytes: u64,
    /// What history is given up by itself, beside that which the bounds above make the leader give up.
    pub auto_compaction: Option<AutoCompaction>,
}

/// What history the leader gives up by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AutoCompaction {
    /// What is older: every such period, and every hour where it is longer.
    Periodic(Duration),
    /// All but the last so many revisions, every five minutes.
    Revisions(u64),
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            write_within: Duration::from_secs(5),
            read_within: Duration::from_secs(5),
            list_items_max: 1000,
            list_bytes_max: 4 << 20,
            // The log takes a segment of 64 MiB at a time, and the state writes its memory out by 32 MiB and merges that:
            // under a fast writer that took more than 170 MiB after the last write was let in.
            reserve_bytes: 384 << 20,
            reserve_percent: 2,
            lag_entries_max: 50_000,
            history_revisions_max: 1_000_000,
            history_bytes_max: 256 << 20,
            // The most that etcd advises.
            quota_bytes: 8 << 30,
            auto_compaction: None,
        }
    }
}
