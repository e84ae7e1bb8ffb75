//! What a node says of itself: the log's word, and what only the server knows.

use node_engines::{LogIndex, Position};
use node_host::Space;
use node_replication::Status;
use node_storage::Digest;

use crate::readiness::NotReady;

/// Entries that change nothing, proposed by an idle leader to see that writes commit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Canaries {
    /// Proposed since the start.
    pub made: u64,
    /// Those of them that were refused, or not committed in time.
    pub failed: u64,
}

/// What a node says of itself. Never a promise: the truth may have moved on.
#[derive(Clone, Debug)]
pub struct NodeStatus {
    /// What the log says.
    pub log: Status,
    /// What is applied; `None` before the first entry.
    pub position: Option<Position>,
    /// Digest of everything up to the last applied entry.
    pub digest: (LogIndex, Digest),
    /// True once the intended voters have joined.
    pub open: bool,
    /// How many voters that takes; `None` before the cluster is formed.
    pub intended_voters: Option<u32>,
    /// Members that left, the latest last; they never return.
    pub removed: Vec<u64>,
    /// Whether the node may be sent requests.
    pub ready: Result<(), NotReady>,
    /// Why the node can not go on, if it can not.
    pub failure: Option<String>,
    /// It serves no client because it was told so.
    pub fenced: bool,
    /// In an open cluster: whether an entry was committed of late, as far as this node knows.
    pub commits: Option<bool>,
    /// What it did to know that.
    pub canaries: Canaries,
    /// Room on the disk.
    pub space: Option<Space>,
    /// True while writes are refused for want of room.
    pub disk_full: bool,
    /// How far the newest stamp is ahead of this node's wall clock, in milliseconds.
    pub stamp_ahead_millis: u64,
    /// How many keys there are.
    pub keys: u64,
    /// The version of the program.
    pub version: String,
}
