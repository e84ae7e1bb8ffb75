//! What a node is told at its start; validated once, never changed.

use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use crate::errors::StartError;

/// A leader takes the word of a majority that it follows for so long, where a read asks for no more
/// ([`crate::Proof::Lease`]).
pub(crate) const READ_LEASE: Duration = Duration::from_millis(150);
/// Whoever followed a leader elects no other for so long, also after a restart, and whatever the timing of the others: the
/// lease of reads, and as much again as clocks may differ.
pub const ELECTION_MIN_MS: u64 = 250;

/// Everything replication is told at its start.
#[derive(Clone, Debug)]
pub struct Config {
    /// The folder of the node; `identity`, `log` and `snapshots` in it belong to this crate.
    pub data_dir: PathBuf,
    /// Where peers are listened for, "host:port"; port 0 takes a free one.
    pub listen: String,
    /// Where peers reach this node, "host:port"; port 0 stands for the port that was bound.
    pub advertise: String,
    /// What every member and nobody else knows.
    pub cluster_key: ClusterKey,
    /// Heartbeats and elections.
    pub timing: Timing,
    /// Bounds on memory and disk.
    pub limits: Limits,
}

/// Heartbeats and elections, in milliseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// How often a leader shows that it lives.
    pub heartbeat_ms: u64,
    /// The shortest silence after which a follower may stand for election, [`ELECTION_MIN_MS`] at least.
    pub election_min_ms: u64,
    /// The longest; also the leader's lease.
    pub election_max_ms: u64,
}

impl Default for Timing {
    fn default() -> Timing {
        Timing {
            heartbeat_ms: 100,
            election_min_ms: 300,
            election_max_ms: 600,
        }
    }
}

/// Bounds on memory and disk.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// A snapshot is built after this many entries, and where the last one is large only once the log has grown by as much.
    pub snapshot_every_entries: u64,
    /// The most the log takes on disk, give or take a few segments; beyond it, it is cut at a new snapshot.
    pub log_bytes_max: u64,
    /// So many entries are kept before the snapshot, for members that were away for a while.
    pub keep_entries: u64,
    /// Proposals waiting for the log; beyond it callers hear [`crate::ProposeError::Busy`].
    pub proposals_max: usize,
    /// Bytes of proposals that have no reply yet; beyond it callers hear [`crate::ProposeError::Busy`].
    pub proposal_bytes_max: usize,
    /// Bytes of a snapshot that go to one member in a second, so that clients are served meanwhile.
    pub snapshot_bytes_per_second: u64,
    /// Bytes of entries in one append to a peer (one entry always goes).
    pub append_bytes_max: usize,
    /// Appends on their way to one member at a time, 1 to 8.
    pub append_depth: usize,
    /// The bounds of the log on disk.
    pub log: crate::log::Limits,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            snapshot_every_entries: 50_000,
            log_bytes_max: 4 << 30,
            keep_entries: 10_000,
            proposals_max: 8_192,
            proposal_bytes_max: 64 << 20,
            snapshot_bytes_per_second: 64 << 20,
            append_bytes_max: 1 << 20,
            append_depth: 4,
            log: crate::log::Limits::default(),
        }
    }
}

/// The secret that every member of a cluster knows: at least 32 bytes. It is never printed.
#[derive(Clone)]
pub struct ClusterKey(Vec<u8>);

impl ClusterKey {
    /// The fewest bytes a key may have.
    pub const BYTES_MIN: usize = 32;

    /// A key of these bytes, or `None` if they are too few.
    pub fn new(bytes: impl Into<Vec<u8>>) -> Option<ClusterKey> {
        let bytes = bytes.into();
        (bytes.len() >= ClusterKey::BYTES_MIN).then_some(ClusterKey(bytes))
    }

    /// The bytes, to key a MAC with.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for ClusterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClusterKey(..)")
    }
}

impl Config {
    /// Checks that the parts hold together, before a file or a socket is touched.
    pub(crate) fn validate(&self) -> Result<(), StartError> {
        let Timing {
            heartbeat_ms,
            election_min_ms,
            election_max_ms,
        } = self.timing;
        let refuse = |why: &str| Err(StartError::Config(why.to_owned()));
        // A heartbeat may be late by the minimum gap between two and by one tick of the core (13/64 of it).
        let heartbeat_worst_ms = heartbeat_ms + heartbeat_ms / 2 + heartbeat_ms * 13 / 64;
        if heartbeat_ms == 0 || heartbeat_worst_ms >= election_min_ms {
            return refuse("heartbeat_ms must be above 0 and well below election_min_ms");
        }
        if election_min_ms < ELECTION_MIN_MS {
            return refuse("election_min_ms must be 250 at least: reads by lease rely on it");
        }
        if election_min_ms >= election_max_ms {
            return refuse("election_min_ms must be below election_max_ms");
        }
        let limits = &self.limits;
        if limits.snapshot_every_entries == 0 {
            return refuse("snapshot_every_entries must be above 0");
        }
        if limits.snapshot_bytes_per_second == 0 {
            return refuse("snapshot_bytes_per_second must be above 0");
        }
        if limits.proposals_max == 0
            || limits.proposal_bytes_max == 0
            || limits.append_bytes_max == 0
        {
            return refuse("the bounds on proposals and appends must be above 0");
        }
        if limits.log_bytes_max < 4 * limits.log.segment_bytes {
            return refuse("log_bytes_max must be at least four segments of the log");
        }
        if !(1..=8).contains(&limits.append_depth) {
            return refuse("append_depth must be 1 to 8");
        }
        if self.advertise.is_empty() || self.advertise.len() > 255 {
            return refuse("advertise must be 1 to 255 bytes");
        }
        Ok(())
    }
}
