//! Between openraft's types and this crate's own.

use std::collections::BTreeMap;

use bytes::Bytes;
use openraft::alias::{EntryOf, LogIdOf, StoredMembershipOf, VoteOf};
use openraft::{EntryPayload, Membership};

use crate::ids::LogId;
use crate::log::{Record, RecordKind, Vote};
use crate::membership::{self, Roster};
use crate::raft::config::{C, Command};
use crate::wire::Malformed;

pub type LeaderId = openraft::impls::leader_id_adv::LeaderId<u64, u64>;

pub fn log_id(id: &LogIdOf<C>) -> LogId {
    LogId {
        term: id.leader_id.term,
        leader: id.leader_id.node_id,
        index: id.index,
    }
}

pub fn raft_log_id(id: LogId) -> LogIdOf<C> {
    LogIdOf::<C>::new(
        LeaderId {
            term: id.term,
            node_id: id.leader,
        },
        id.index,
    )
}

pub fn vote(vote: &VoteOf<C>) -> Vote {
    let leader = vote.leader_id();
    Vote {
        term: leader.term,
        node: leader.node_id,
        committed: vote.is_committed(),
    }
}

pub fn raft_vote(vote: Vote) -> VoteOf<C> {
    match vote.committed {
        true => VoteOf::<C>::new_committed(vote.term, vote.node),
        false => VoteOf::<C>::new(vote.term, vote.node),
    }
}

pub fn roster(membership: &Membership<u64, membership::Member>) -> Roster {
    Roster {
        configs: membership.get_joint_config().clone(),
        members: membership
            .nodes()
            .map(|(id, member)| (*id, member.clone()))
            .collect(),
    }
}

pub fn raft_membership(roster: &Roster) -> Result<Membership<u64, membership::Member>, Malformed> {
    let nodes: BTreeMap<u64, membership::Member> = roster.members.clone();
    Membership::new(roster.configs.clone(), nodes)
        .map_err(|_| Malformed("the membership lacks a voter or a quorum"))
}

/// A membership as the machine keeps it; none at all is the membership of nobody.
pub fn stored_membership(
    at: Option<LogId>,
    bytes: &Bytes,
) -> Result<StoredMembershipOf<C>, Malformed> {
    if at.is_none() || bytes.is_empty() {
        return Ok(StoredMembershipOf::<C>::default());
    }
    let membership = raft_membership(&membership::decode(bytes)?)?;
    Ok(StoredMembershipOf::<C>::new(
        at.map(raft_log_id),
        membership,
    ))
}

/// Whether the entry holds what the stamper made of a proposal.
pub fn is_command(entry: &EntryOf<C>) -> bool {
    matches!(entry.payload, EntryPayload::Normal(_))
}

/// An entry as the log keeps it. The bytes of a command are shared, never copied.
pub fn record(entry: EntryOf<C>) -> Record {
    let id = log_id(&entry.log_id);
    let (kind, payload) = match entry.payload {
        EntryPayload::Blank => (RecordKind::Blank, Bytes::new()),
        EntryPayload::Normal(Command(bytes)) => (RecordKind::Command, bytes),
        EntryPayload::Membership(m) => (RecordKind::Membership, membership::encode(&roster(&m))),
    };
    Record { id, kind, payload }
}

pub fn entry(record: Record) -> Result<EntryOf<C>, Malformed> {
    let payload = match record.kind {
        RecordKind::Blank => EntryPayload::Blank,
        RecordKind::Command => EntryPayload::Normal(Command(record.payload)),
        RecordKind::Membership => {
            EntryPayload::Membership(raft_membership(&membership::decode(&record.payload)?)?)
        }
    };
    Ok(EntryOf::<C> {
        log_id: raft_log_id(record.id),
        payload,
    })
}
