//! What a node knows of itself and its peers, as one value.

use crate::ids::{ClusterId, LogId, MemberId};
use crate::membership::Member;

/// What a node knows of itself and its peers. Never a promise: the truth may have moved on.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Status {
    /// This node.
    pub member: MemberId,
    /// The cluster its disk belongs to.
    pub cluster: Option<ClusterId>,
    /// The incarnation of the cluster's data it knows.
    pub incarnation: u32,
    /// Its credential.
    pub public_key: [u8; 32],
    /// Where peers reach it.
    pub peer_address: String,
    /// What it does in the cluster.
    pub role: Role,
    /// The term it is in.
    pub term: u64,
    /// The leader it knows of.
    pub leader: Option<MemberId>,
    /// The last entry in its log, on disk or not.
    pub last_log: Option<LogId>,
    /// The last entry it knows a majority to have.
    pub committed: Option<LogId>,
    /// The last entry applied.
    pub applied: Option<LogId>,
    /// The last entry given up at the log's front.
    pub purged: Option<LogId>,
    /// The last entry in the newest snapshot file.
    pub snapshot: Option<LogId>,
    /// The entry that the membership came from.
    pub membership_at: Option<LogId>,
    /// A joint change of membership is under way.
    pub membership_joint: bool,
    /// The members, by id.
    pub members: Vec<MemberStatus>,
    /// The ids that never return.
    pub removed: Vec<MemberId>,
    /// This node's own id was removed: it neither votes nor stands for election.
    pub self_removed: bool,
    /// This node's log ends before what it once acknowledged: it may not vote, and must begin anew under another id.
    pub log_lost: bool,
    /// The cluster began anew without this disk: its data goes on elsewhere, and this node does nothing more.
    pub left_behind: bool,
    /// For a few election timeouts the node heard of no leader (or, as the leader, of no majority). True of a node that
    /// belongs to no cluster.
    pub leaderless: bool,
    /// Why peers refused this node, newest last; empty once a peer has accepted it again.
    pub refused_by: Vec<(MemberId, String)>,
    /// Why the node stopped, if it did.
    pub fatal: Option<String>,
    /// How long the log's disk takes.
    pub fsync: FsyncSummary,
    /// Bytes of log on disk.
    pub log_bytes: u64,
    /// What happened since the start.
    pub counters: Counters,
}

/// What a node does in its cluster.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Role {
    /// It belongs to no cluster yet.
    #[default]
    Waiting,
    /// It follows and does not vote.
    Learner,
    /// It follows and votes.
    Follower,
    /// It stands for election.
    Candidate,
    /// It leads.
    Leader,
}

/// A member as this node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberStatus {
    /// Its id.
    pub id: MemberId,
    /// What the log holds about it.
    pub member: Member,
    /// It votes.
    pub voter: bool,
    /// On the leader: the last index it is known to have on disk.
    pub matched: Option<u64>,
    /// On the leader: it lacks no more than a follower in good health does.
    pub caught_up: bool,
    /// Whether it answered lately. Only a leader knows it of everyone: others hear from nobody but their leader.
    /// Always true of the node itself.
    pub reached: Option<bool>,
}

/// How long the log's disk takes to sync, over the last few thousand batches.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct FsyncSummary {
    /// Batches synced since the start.
    pub count: u64,
    /// The median, in microseconds.
    pub p50_us: u64,
    /// The 99th percentile, in microseconds.
    pub p99_us: u64,
}

/// What happened since the start.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counters {
    /// Proposals made on this node, forwarded ones included.
    pub proposals: u64,
    /// Of these, passed on to the leader.
    pub forwarded: u64,
    /// Proposals turned away because too many were waiting.
    pub busy: u64,
    /// Reads confirmed.
    pub reads: u64,
    /// Rounds of confirmation they took.
    pub read_rounds: u64,
    /// Entries applied.
    pub applied_entries: u64,
    /// Runs they were applied in.
    pub applied_runs: u64,
    /// Snapshots built.
    pub snapshots_built: u64,
    /// Snapshots installed from a peer.
    pub snapshots_installed: u64,
    /// Times that a snapshot from a peer went on where a break had left it.
    pub snapshots_resumed: u64,
    /// Hellos of others that this node refused.
    pub hellos_refused: u64,
    /// Hellos of this node that others refused.
    pub hellos_denied: u64,
    /// Elections this node started.
    pub elections: u64,
    /// Times that the end of the log was given up for another leader's.
    pub truncations: u64,
    /// Ends of the log that a crash had torn, and the start cut off: one at most.
    pub torn_tails_cut: u64,
}
