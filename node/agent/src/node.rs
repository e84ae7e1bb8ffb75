//! What the node says of itself through its admin API, in the words of this room.

use crds::Role;

use crate::ids::{MemberId, MembershipId};

/// One answer of the node's admin API.
#[derive(Clone, Debug, PartialEq)]
pub struct Node {
    /// Its member id.
    pub member: MemberId,
    /// Its public key, hex.
    pub public_key: String,
    /// Cluster id found on its disk, hex; `None` on an empty disk.
    pub cluster: Option<String>,
    /// Raised by a forced recovery or a restore.
    pub incarnation: u64,
    /// Its role in the log.
    pub role: Role,
    /// Highest term it has seen.
    pub term: u64,
    /// The leader it follows.
    pub leader: Option<MemberId>,
    /// True when no leader was heard of for a while; of a leader, no majority.
    pub leaderless: bool,
    /// All members it knows.
    pub members: Vec<Member>,
    /// Log id of that membership.
    pub membership: Option<MembershipId>,
    /// Index of its last log entry.
    pub last_index: Option<u64>,
    /// Term of its last log entry.
    pub last_term: Option<u64>,
    /// Index it knows to be committed.
    pub committed_index: Option<u64>,
    /// Index it applied.
    pub applied_index: Option<u64>,
    /// Position it applied, an opaque token.
    pub position: Option<String>,
    /// Index and digest (hex) of its data.
    pub digest: Option<(u64, String)>,
    /// True once the cluster accepts writes.
    pub open: bool,
    /// Ids that are members no more.
    pub removed: Vec<MemberId>,
    /// `None` when it serves, otherwise why it does not.
    pub not_ready: Option<String>,
    /// True while it serves no client because it was told so.
    pub fenced: bool,
    /// On the leader of an open cluster: whether writes commit; `None` elsewhere, and where it does not know yet.
    pub commits: Option<bool>,
    /// Room on its disk.
    pub disk: Option<Disk>,
    /// Version of the program.
    pub version: String,
    /// Highest feature level it supports.
    pub feature_level: u32,
    /// Where its peers reach it.
    pub peer_address: String,
    /// What stopped it.
    pub fatal: Option<String>,
}

/// One member, as the node sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Its id.
    pub id: MemberId,
    /// Where its peers reach it.
    pub peer_address: String,
    /// Whether it counts for a majority.
    pub voter: bool,
    /// Epoch of the wish that made it what it is.
    pub epoch: u64,
    /// On the leader: last index known to be in its log.
    pub matched: Option<u64>,
    /// On the leader: whether its log is caught up.
    pub caught_up: bool,
    /// Whether the node reaches it now.
    pub reached: bool,
}

/// Room on a disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Disk {
    /// Its size.
    pub total_bytes: u64,
    /// What is left.
    pub available_bytes: u64,
    /// True while the node refuses writes for want of room.
    pub refuses_writes: bool,
}

impl Node {
    /// The member of this id, if it is one.
    pub fn find(&self, id: MemberId) -> Option<&Member> {
        self.members.iter().find(|member| member.id == id)
    }

    /// True on a disk without data, a member of nothing yet.
    pub fn is_empty(&self) -> bool {
        self.cluster.is_none() && self.last_index.is_none() && self.members.is_empty()
    }

    /// True while it orders the writes.
    pub fn leads(&self) -> bool {
        self.role == Role::Leader && self.fatal.is_none()
    }
}
