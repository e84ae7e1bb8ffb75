//! `GET /cluster`: who is in the cluster, as this node sees it.

use node_engines::{DIGEST_INTERVAL, LogIndex};
use node_replication::{LogId, MemberStatus, Role};
use serde::Serialize;

use crate::node::Node;
use crate::status::NodeStatus;

/// Earlier digests that are told, so that nodes of different progress have one in common.
const EARLIER_DIGESTS: u64 = 8;

/// The answer to `GET /cluster`.
#[derive(Debug, Serialize)]
pub struct Cluster {
    /// The cluster's id; none before it is formed.
    cluster: Option<String>,
    /// True once data is accepted.
    open: bool,
    /// The leader, where this node knows one.
    leader: Option<String>,
    term: u64,
    /// The node that answers.
    node: Answering,
    /// The members of the newest membership that this node knows, learners too.
    members: Vec<Member>,
    /// Digests of the answering node, the newest first, then those at agreed positions: equal on every node.
    digests: Vec<DigestAt>,
}

#[derive(Debug, Serialize)]
struct DigestAt {
    index: u64,
    value: String,
}

#[derive(Debug, Serialize)]
struct Answering {
    id: String,
    role: &'static str,
    /// What it has applied, as a position token.
    position: Option<String>,
    applied: Option<u64>,
    committed: Option<u64>,
    ready: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    not_ready: Option<String>,
    keys: u64,
    version: String,
}

#[derive(Debug, Serialize)]
struct Member {
    id: String,
    role: &'static str,
    peer_address: String,
    /// On the leader: the last index known to be on its disk.
    #[serde(skip_serializing_if = "Option::is_none")]
    matched: Option<u64>,
    /// On the leader: whether it lacks little of the log.
    #[serde(skip_serializing_if = "Option::is_none")]
    caught_up: Option<bool>,
    /// Whether the node that answers reaches it; absent where it does not know: only a leader knows it of everyone.
    #[serde(skip_serializing_if = "Option::is_none")]
    reached: Option<bool>,
}

/// Describes the cluster.
pub fn describe(node: &Node) -> Cluster {
    let status = &node.status();
    let log = &status.log;
    let index = |id: Option<LogId>| id.map(|id| id.index);
    Cluster {
        cluster: log.cluster.map(|id| id.to_string()),
        open: status.open,
        leader: log.leader.map(|id| id.to_string()),
        term: log.term,
        node: Answering {
            id: log.member.to_string(),
            role: role_name(log.role),
            position: status.position.map(|position| position.to_string()),
            applied: index(log.applied),
            committed: index(log.committed),
            ready: status.ready.is_ok(),
            not_ready: status.ready.as_ref().err().map(ToString::to_string),
            keys: status.keys,
            version: status.version.clone(),
        },
        members: log
            .members
            .iter()
            .map(|member| of_member(status, member))
            .collect(),
        digests: digests(node),
    }
}

fn digests(node: &Node) -> Vec<DigestAt> {
    let reader = node.reader();
    let (LogIndex(newest), value) = reader.digest();
    let last_agreed = newest / DIGEST_INTERVAL;
    let agreed = (last_agreed.saturating_sub(EARLIER_DIGESTS)..=last_agreed)
        .rev()
        .map(|n| n * DIGEST_INTERVAL);
    let earlier = agreed.filter(|index| *index != newest && *index > 0);
    let kept = earlier.filter_map(|index| Some((index, reader.digest_at(LogIndex(index))?)));
    let told = std::iter::once((newest, value)).chain(kept);
    told.map(|(index, value)| DigestAt {
        index,
        value: value.to_string(),
    })
    .collect()
}

fn of_member(status: &NodeStatus, member: &MemberStatus) -> Member {
    let leading = status.log.role == Role::Leader;
    Member {
        id: member.id.to_string(),
        role: match (status.log.leader == Some(member.id), member.voter) {
            (true, _) => "leader",
            (false, true) => "voter",
            (false, false) => "learner",
        },
        peer_address: member.member.peer_address.clone(),
        matched: member.matched,
        caught_up: leading.then_some(member.caught_up),
        reached: member.reached,
    }
}

/// A role as a word.
pub fn role_name(role: Role) -> &'static str {
    match role {
        Role::Waiting => "waiting",
        Role::Learner => "learner",
        Role::Follower => "follower",
        Role::Candidate => "candidate",
        Role::Leader => "leader",
    }
}
