//! The types openraft works on, and how it is set.

use std::fmt;
use std::sync::Arc;

use bytes::Bytes;
use openraft::SnapshotPolicy;

use crate::config::Config;
use crate::errors::StartError;
use crate::membership::Member;
use crate::raft::state_machine::StateMachine;

/// tokio underneath; chance comes from a seed that whoever enters sets, so that the simulator repeats a run.
pub type Runtime =
    openraft_rt::deterministic_rng::DeterministicRng<openraft_rt_tokio::TokioRuntime>;

openraft::declare_raft_types!(
    /// The types openraft works on.
    pub TypeConfig:
        D = Command,
        R = Bytes,
        NodeId = u64,
        Node = Member,
        AsyncRuntime = Runtime,
);

/// The Raft core of this node.
pub type Raft = openraft::Raft<TypeConfig, StateMachine>;

pub use TypeConfig as C;

/// What the stamper made of a proposal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Command(pub Bytes);

impl fmt::Display for Command {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} bytes", self.0.len())
    }
}

/// Entries in one append to a follower.
const PAYLOAD_ENTRIES_MAX: u64 = 4096;
/// Calls that wait for the core; what waits before it is bounded in bytes by `proposals`.
const CORE_CALLS_MAX: u64 = 8192;
/// The whole transfer of a snapshot.
const SNAPSHOT_WITHIN_MS: u64 = 30 * 60 * 1000;
/// Entries that are purged at a time: each purge is waited for.
const PURGE_BATCH: u64 = 4096;

/// How openraft is set; the reasons stand beside each value. A member that `abstains` does not stand for election until it
/// is told to.
pub fn settings(config: &Config, abstains: bool) -> Result<Arc<openraft::Config>, StartError> {
    let timing = config.timing;
    let limits = &config.limits;
    let settings = openraft::Config {
        cluster_name: "kluster".to_owned(),
        heartbeat_interval: timing.heartbeat_ms,
        // A recent acknowledgement stands for a heartbeat.
        heartbeat_min_interval: Some(timing.heartbeat_ms / 2),
        election_timeout_min: timing.election_min_ms,
        election_timeout_max: timing.election_max_ms,
        max_payload_entries: PAYLOAD_ENTRIES_MAX,
        api_channel_size: Some(CORE_CALLS_MAX),
        snapshot_policy: SnapshotPolicy::LogsSinceLast(limits.snapshot_every_entries),
        max_in_snapshot_log_to_keep: limits.keep_entries,
        purge_batch_size: PURGE_BATCH.min(limits.keep_entries.max(1)),
        // Above the snapshot interval: a follower that is this far behind takes the log while the log is there.
        replication_lag_threshold: 2 * limits.snapshot_every_entries + limits.keep_entries,
        install_snapshot_timeout: SNAPSHOT_WITHIN_MS,
        backoff: format!("{}ms", 2 * timing.heartbeat_ms),
        // The observer ends that.
        enable_elect: !abstains,
        // A node that was cut off must not depose a leader by its higher term.
        enable_pre_vote: Some(true),
        // A restarted leader asks for votes again: it may lack what others have.
        enable_leader_restore: Some(false),
        // A log that lost what it acknowledged is never followed silently.
        allow_log_reversion: Some(false),
        ..openraft::Config::default()
    };
    let settings = settings
        .validate()
        .map_err(|error| StartError::Config(error.to_string()))?;
    Ok(Arc::new(settings))
}
