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
        fenced,
        commits,
        space,
        disk_full,
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
        last_log_term: log.last_log.map(|id| id.term),
        committed_index: index(log.committed),
        applied_index: index(log.applied),
        position: position
            .map(|position| position.to_string())
            .unwrap_or_default(),
        digest: position.is_some().then(|| self::digest(digest)),
        open,
        intended_voters: intended_voters.unwrap_or_default(),
        removed_ids: removed,
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
        fenced,
        commits,
        disk_full,
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

/// A wish about one member: who, what, and the membership it rests on; or what is wrong with it. What it leaves open of a
/// member that the log knows is as in `roster`; the wish then rests on that membership.
pub fn member_wish(
    request: proto::ChangeMemberRequest,
    roster: &Roster,
) -> Result<(MemberId, MemberWish, Option<LogId>), String> {
    let id = match request.member_id {
        0 => return Err("0 is no member id".to_owned()),
        id => MemberId(id),
    };
    let stays = !matches!(request.membership(), proto::Membership::Removed);
    let leaves_open = request.key.is_empty() || request.peer_address.is_empty();
    let rests_on_roster = stays && leaves_open && roster.member(id).is_some();
    let given = request.expected_membership.map(|id| LogId {
        term: id.term,
        leader: id.leader,
        index: id.index,
    });
    let expected = given.or(roster.at.filter(|_| rests_on_roster));
    let wish = match request.membership() {
        proto::Membership::Voter => MemberWish::Voter(member_record(&request, roster.member(id))?),
        proto::Membership::Learner => {
            MemberWish::Learner(member_record(&request, roster.member(id))?)
        }
        proto::Membership::Removed => MemberWish::Removed,
        proto::Membership::Unspecified => {
            return Err(
                "a member is to be a voter, a learner or removed; nothing was said".to_owned(),
            );
        }
    };
    Ok((id, wish, expected))
}

/// The members as the node knows them, and the entry they came from.
pub struct Roster {
    /// The entry.
    pub at: Option<LogId>,
    /// The members.
    pub members: Vec<MemberStatus>,
}

impl Roster {
    fn member(&self, id: MemberId) -> Option<&Member> {
        let found = self.members.iter().find(|member| member.id == id);
        found.map(|found| &found.member)
    }
}

fn member_record(
    request: &proto::ChangeMemberRequest,
    known: Option<&Member>,
) -> Result<Member, String> {
    let key = match (request.key.as_ref(), known) {
        ([], Some(known)) => known.key,
        ([], None) => return Err("the key of a member that is new must be given".to_owned()),
        (key, _) => key
            .try_into()
            .map_err(|_| "a member's key is 32 bytes".to_owned())?,
    };
    let peer_address = match (request.peer_address.as_str(), known) {
        ("", Some(known)) => known.peer_address.clone(),
        (address, _) => address.to_owned(),
    };
    Ok(Member {
        peer_address,
        key,
        epoch: request.epoch,
    })
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

    fn nobody_known() -> Roster {
        Roster {
            at: None,
            members: Vec::new(),
        }
    }

    fn good() -> proto::ChangeMemberRequest {
        proto::ChangeMemberRequest {
            member_id: 7,
            membership: proto::Membership::Voter.into(),
            peer_address: "host:1".to_owned(),
            key: vec![1; 32].into(),
            epoch: 3,
            expected_membership: None,
        }
    }

    fn record() -> Member {
        Member {
            peer_address: "host:1".to_owned(),
            key: [1; 32],
            epoch: 3,
        }
    }

    #[test]
    fn a_wish_for_a_new_member_must_be_whole() {
        let expected = (MemberId(7), MemberWish::Voter(record()), None);
        assert_eq!(member_wish(good(), &nobody_known()), Ok(expected));
        let without = |change: fn(&mut proto::ChangeMemberRequest)| {
            let mut request = good();
            change(&mut request);
            member_wish(request, &nobody_known()).unwrap_err()
        };
        assert!(without(|request| request.key = vec![1; 31].into()).contains("32 bytes"));
        assert!(without(|request| request.key.clear()).contains("key"));
        assert!(without(|request| request.membership = 0).contains("nothing was said"));
        assert!(without(|request| request.member_id = 0).contains("no member id"));
    }

    #[test]
    fn what_a_wish_leaves_open_of_a_known_member_is_as_in_the_roster() {
        let at = LogId {
            term: 2,
            leader: 1,
            index: 10,
        };
        let roster = Roster {
            at: Some(at),
            members: vec![MemberStatus {
                id: MemberId(7),
                member: Member {
                    epoch: 2,
                    ..record()
                },
                voter: false,
                matched: None,
                caught_up: true,
                reached: Some(true),
            }],
        };
        let open = proto::ChangeMemberRequest {
            peer_address: String::new(),
            key: Vec::new().into(),
            ..good()
        };
        let taken = (MemberId(7), MemberWish::Voter(record()), Some(at));
        assert_eq!(member_wish(open.clone(), &roster), Ok(taken));
        // A wish that says everything rests on nothing but itself.
        let whole = member_wish(good(), &roster).unwrap();
        assert_eq!(whole.2, None);
        let removed = proto::ChangeMemberRequest {
            membership: proto::Membership::Removed.into(),
            ..open
        };
        let removal = (MemberId(7), MemberWish::Removed, None);
        assert_eq!(member_wish(removed, &roster), Ok(removal));
    }
}
