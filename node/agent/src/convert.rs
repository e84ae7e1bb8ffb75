//! The words of the node's admin API in the words of this room, and back.

use crds::{Membership, Role};
use node_api::proto;

use crate::decide::Change;
use crate::ids::{MemberId, MembershipId};
use crate::node::{Disk, Member, Node};

impl From<Change> for proto::ChangeMemberRequest {
    fn from(change: Change) -> Self {
        let membership = match change.membership {
            Membership::Voter => proto::Membership::Voter,
            Membership::Learner => proto::Membership::Learner,
            Membership::Removed => proto::Membership::Removed,
        };
        proto::ChangeMemberRequest {
            member_id: change.member.0,
            membership: membership.into(),
            peer_address: change.peer_address,
            key: change
                .key
                .map(|key| key.to_vec())
                .unwrap_or_default()
                .into(),
            epoch: change.epoch,
            expected_membership: change.expected.map(|id| proto::LogId {
                term: id.term,
                leader: id.leader.0,
                index: id.index,
            }),
        }
    }
}

/// An empty text or list of bytes there is an absent value here.
impl From<proto::NodeStatus> for Node {
    fn from(status: proto::NodeStatus) -> Self {
        let role = role(status.role());
        let filled = |text: String| Some(text).filter(|text| !text.is_empty());
        Node {
            member: MemberId(status.member_id),
            public_key: hex::encode(&status.public_key),
            cluster: filled(hex::encode(&status.cluster_id)),
            incarnation: status.incarnation.into(),
            role,
            term: status.term,
            leader: status.leader_id.map(MemberId),
            leaderless: status.leaderless,
            members: status.members.into_iter().map(member).collect(),
            membership: status.membership.map(|id| MembershipId {
                term: id.term,
                leader: MemberId(id.leader),
                index: id.index,
            }),
            last_index: status.last_log_index,
            last_term: status.last_log_term,
            committed_index: status.committed_index,
            applied_index: status.applied_index,
            position: filled(status.position),
            digest: status.digest.map(|digest| (digest.index, digest.value)),
            open: status.open,
            removed: status.removed_ids.into_iter().map(MemberId).collect(),
            not_ready: (!status.ready).then_some(status.not_ready_reason),
            fenced: status.fenced,
            commits: status.commits,
            disk: status.disk.map(|disk| Disk {
                total_bytes: disk.total_bytes,
                available_bytes: disk.available_bytes,
                refuses_writes: status.disk_full,
            }),
            version: status.version,
            feature_level: status.feature_level,
            peer_address: status.peer_address,
            fatal: filled(status.fatal),
        }
    }
}

fn role(role: proto::Role) -> Role {
    match role {
        proto::Role::Unspecified | proto::Role::Waiting => Role::Waiting,
        proto::Role::Learner => Role::Learner,
        proto::Role::Follower => Role::Follower,
        proto::Role::Candidate => Role::Candidate,
        proto::Role::Leader => Role::Leader,
    }
}

fn member(member: proto::Member) -> Member {
    Member {
        id: MemberId(member.id),
        peer_address: member.peer_address,
        voter: member.voter,
        epoch: member.epoch,
        matched: member.matched,
        caught_up: member.caught_up,
        reached: member.reached.unwrap_or(false),
    }
}
