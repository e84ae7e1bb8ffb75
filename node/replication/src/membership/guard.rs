//! Which changes of membership are allowed. Pure: what is known goes in, the membership to reach comes out.

use std::collections::{BTreeMap, BTreeSet};

use crate::errors::Refusal;
use crate::ids::{LogId, MemberId};
use crate::membership::{Member, MemberChange, MemberRole, Roster, VOTERS_MAX};

const ADDRESS_BYTES_MAX: usize = 255;

/// What the leader knows when a change is asked for.
#[derive(Clone, Debug, Default)]
pub struct Known {
    /// The membership in force.
    pub roster: Roster,
    /// The entry it came from.
    pub at: Option<LogId>,
    /// It is committed.
    pub committed: bool,
    /// Ids that never return.
    pub removed: BTreeSet<u64>,
    /// Members that answer and lack no more of the log than a follower in good health, the leader among them.
    pub healthy: BTreeSet<u64>,
}

/// A change that is allowed: what it leads to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Goal {
    /// Members whose record is new or changed.
    pub touched: BTreeMap<u64, Member>,
    /// Everyone who votes afterwards.
    pub voters: BTreeSet<u64>,
    /// Members that leave.
    pub removed: BTreeSet<u64>,
    /// Voters that become learners.
    pub demoted: BTreeSet<u64>,
}

/// Decides on one change. Nothing is changed by asking.
pub fn check(
    known: &Known,
    expected: Option<LogId>,
    change: &MemberChange,
) -> Result<Goal, Refusal> {
    if expected.is_some() && expected != known.at {
        return Err(Refusal::MembershipMoved { at: known.at });
    }
    if known.roster.configs.len() > 1 || !known.committed {
        return Err(Refusal::ChangeUnderWay);
    }
    if change.set.is_empty() && change.remove.is_empty() {
        return Err(Refusal::Empty);
    }
    let before = known.roster.voters();
    let mut goal = Goal {
        touched: BTreeMap::new(),
        voters: before.clone(),
        removed: BTreeSet::new(),
        demoted: BTreeSet::new(),
    };
    for (id, (member, role)) in &change.set {
        check_member(known, *id, member)?;
        goal.touched.insert(id.0, member.clone());
        let displaced = displaced(known, *id, member).filter(|old| !change.set.contains_key(old));
        goal.removed.extend(displaced.map(|old| old.0));
        match role {
            MemberRole::Voter if before.contains(&id.0) => {}
            MemberRole::Voter => {
                check_new_voter(known, *id)?;
                goal.voters.insert(id.0);
            }
            MemberRole::Learner => {
                if goal.voters.remove(&id.0) {
                    goal.demoted.insert(id.0);
                }
            }
        }
    }
    for id in &change.remove {
        if change.set.contains_key(id) {
            return Err(Refusal::Contradiction(*id));
        }
        if !known.roster.members.contains_key(&id.0) {
            return Err(Refusal::NotAMember(*id));
        }
        goal.voters.remove(&id.0);
        goal.removed.insert(id.0);
    }
    check_voters(known, &before, &goal.voters)?;
    Ok(goal)
}

/// Learners that go because a new member answers at their address: their disks are gone. The leader may have taken one in
/// at the moment its disk was lost, when whoever wishes for members had heard of neither.
fn displaced<'a>(
    known: &'a Known,
    id: MemberId,
    member: &'a Member,
) -> impl Iterator<Item = MemberId> + 'a {
    let roster = &known.roster;
    let is_new = !roster.members.contains_key(&id.0);
    let voters = roster.voters();
    let learners = roster.members.iter().filter(move |(old, record)| {
        is_new && !voters.contains(old) && record.peer_address == member.peer_address
    });
    learners.map(|(old, _)| MemberId(*old))
}

fn check_member(known: &Known, id: MemberId, member: &Member) -> Result<(), Refusal> {
    if known.removed.contains(&id.0) {
        return Err(Refusal::Removed(id));
    }
    if member.peer_address.is_empty() || member.peer_address.len() > ADDRESS_BYTES_MAX {
        return Err(Refusal::BadAddress(id));
    }
    let Some(old) = known.roster.members.get(&id.0) else {
        return Ok(());
    };
    if old.key != member.key {
        return Err(Refusal::CredentialChanged(id));
    }
    if member.epoch <= old.epoch {
        return Err(Refusal::StaleEpoch {
            member: id,
            given: member.epoch,
            known: old.epoch,
        });
    }
    Ok(())
}

fn check_new_voter(known: &Known, id: MemberId) -> Result<(), Refusal> {
    if !known.roster.members.contains_key(&id.0) {
        return Err(Refusal::NotALearner(id));
    }
    if !known.healthy.contains(&id.0) {
        return Err(Refusal::NotCaughtUp(id));
    }
    Ok(())
}

/// A change of the voters alone needs a live majority afterwards; adding a learner or a new address needs none.
fn check_voters(
    known: &Known,
    before: &BTreeSet<u64>,
    after: &BTreeSet<u64>,
) -> Result<(), Refusal> {
    if after.is_empty() {
        return Err(Refusal::NoVoters);
    }
    if after == before {
        return Ok(());
    }
    if after.len() > VOTERS_MAX {
        return Err(Refusal::TooManyVoters {
            count: after.len(),
            max: VOTERS_MAX,
        });
    }
    let live = after.intersection(&known.healthy).count();
    if live <= after.len() / 2 {
        return Err(Refusal::NoMajority {
            live,
            voters: after.len(),
        });
    }
    Ok(())
}

#[cfg(test)]
#[path = "guard_tests.rs"]
mod tests;
