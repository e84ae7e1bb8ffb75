//! Between the node's words and those of the protocol.

use node_api::proto;
use node_engines::{FEATURE_LEVEL_MAX, LogIndex, Position};
use node_replication::{LogId, Member, MemberId, MemberStatus, Role};
use node_storage::Digest;

use crate::node::{Loss, MemberWish};
use crate::status::NodeStatus;

/// What the node says of itself.
pub fn node_status(status: NodeStatus) -> proto::NodeStatus {
    let NodeStatus {
        log,
        position,
        digest,
        open,
        intended_voters,
        removed,
        ready,
        failure,
        space,
        version,
        ..
    } = status;
    let index = |id: Option<LogId>| id.map(|id| id.index);
    proto::NodeStatus {
        member_id: log.member.0,
        public_key: log.public_key.to_vec().into(),
        cluster_id: log
            .cluster
            .map(|id| id.0.to_vec())
            .unwrap_or_default()
            .into(),
        incarnation: log.incarnation,
        role: role(log.role).into(),
        term: log.term,
        leader_id: log.leader.map(|id| id.0),
        membership: log.membership_at.map(log_id),
        last_log_index: index(log.last_log),
        committed_index: index(log.committed),
        applied_index: index(log.applied),
        position: position
            .map(|position| position.to_string())
            .unwrap_or_default(),
        digest: position.is_some().then(|| self::digest(digest)),
        open,
        intended_voters: intended_voters.unwrap_or_default(),
        removed_ids: removed.into_iter().collect(),
        ready: ready.is_ok(),
        not_ready_reason: ready.err().map(|why| why.to_string()).unwrap_or_default(),
        disk: space.map(|space| proto::Disk {
            total_bytes: space.total_bytes,
            available_bytes: space.available_bytes,
        }),
        version,
        feature_level: FEATURE_LEVEL_MAX,
        fatal: failure.unwrap_or_default(),
        confirmed_term: 0,
        snapshot_index: index(log.snapshot),
        purged_index: index(log.purged),
        log_bytes: log.log_bytes,
        fsync: Some(proto::Fsync {
            count: log.fsync.count,
            p50_micros: log.fsync.p50_us,
            p99_micros: log.fsync.p99_us,
        }),
        earlier_digest: None,
        members: log.members.into_iter().map(member).collect(),
        peer_address: log.peer_address,
        leaderless: log.leaderless,
    }
}

fn member(status: MemberStatus) -> proto::Member {
    proto::Member {
        id: status.id.0,
        peer_address: status.member.peer_address,
        voter: status.voter,
        epoch: status.member.epoch,
        matched: status.matched,
        caught_up: status.caught_up,
        reached: status.reached,
    }
}

fn role(role: Role) -> proto::Role {
    match role {
        Role::Waiting => proto::Role::Waiting,
        Role::Learner => proto::Role::Learner,
        Role::Follower => proto::Role::Follower,
        Role::Candidate => proto::Role::Candidate,
        Role::Leader => proto::Role::Leader,
    }
}

/// A digest and the index it belongs to.
pub fn digest((index, digest): (LogIndex, Digest)) -> proto::Digest {
    proto::Digest {
        index: index.0,
        value: digest.to_string(),
    }
}

/// A log id, outwards.
pub fn log_id(id: LogId) -> proto::LogId {
    proto::LogId {
        term: id.term,
        leader: id.leader,
        index: id.index,
    }
}

/// A wish about one member: who, what, and the membership it rests on; or what is wrong with it.
pub fn member_wish(
    request: proto::ChangeMemberRequest,
) -> Result<(MemberId, MemberWish, Option<LogId>), String> {
    let membership = request.membership();
    let expected = request.expected_membership.map(|id| LogId {
        term: id.term,
        leader: id.leader,
        index: id.index,
    });
    let member = || -> Result<Member, String> {
        let key = request.key.as_ref().try_into();
        let key = key.map_err(|_| "a member's key is 32 bytes".to_owned())?;
        let peer_address = request.peer_address.clone();
        Ok(Member {
            peer_address,
            key,
            epoch: request.epoch,
        })
    };
    let wish = match membership {
        proto::Membership::Voter => MemberWish::Voter(member()?),
        proto::Membership::Learner => MemberWish::Learner(member()?),
        proto::Membership::Removed => MemberWish::Removed,
        proto::Membership::Unspecified => {
            return Err(
                "a member is to be a voter, a learner or removed; nothing was said".to_owned(),
            );
        }
    };
    match request.member_id {
        0 => Err("0 is no member id".to_owned()),
        id => Ok((MemberId(id), wish, expected)),
    }
}

/// What is asked of a survivor; or what is wrong with it.
pub fn recovery(request: proto::RecoverRequest) -> Result<(MemberId, Position, Loss), String> {
    let proto::RecoverRequest {
        member_id,
        position,
        acknowledge_loss,
    } = request;
    let position = position
        .parse::<Position>()
        .map_err(|error| error.to_string())?;
    let loss = match acknowledge_loss {
        true => Loss::Acknowledged,
        false => Loss::NotAcknowledged,
    };
    match member_id {
        0 => Err("0 is no member id".to_owned()),
        id => Ok((MemberId(id), position, loss)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wish_must_be_whole() {
        let good = proto::ChangeMemberRequest {
            member_id: 7,
            membership: proto::Membership::Voter.into(),
            peer_address: "host:1".to_owned(),
            key: vec![1; 32].into(),
            epoch: 3,
            expected_membership: None,
        };
        let member = Member {
            peer_address: "host:1".to_owned(),
            key: [1; 32],
            epoch: 3,
        };
        let expected = (MemberId(7), MemberWish::Voter(member), None);
        assert_eq!(member_wish(good.clone()), Ok(expected));
        let short = proto::ChangeMemberRequest {
            key: vec![1; 31].into(),
            ..good.clone()
        };
        assert!(member_wish(short).unwrap_err().contains("32 bytes"));
        let vague = proto::ChangeMemberRequest {
            membership: 0,
            ..good.clone()
        };
        assert!(member_wish(vague).is_err());
        let nobody = proto::ChangeMemberRequest {
            member_id: 0,
            ..good
        };
        assert!(member_wish(nobody).is_err());
    }
}
