//! Which wishes the node can follow now, in which order, and what stands in the way of the others.

use std::collections::BTreeSet;

use crds::{ClusterNodeStatus, Leadership, Membership};

use super::{Observed, message};
use crate::ids::{MemberId, MembershipId};
use crate::node::Member;
use crate::wish::Wish;

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Write the status of the own ClusterNode.
    ReportStatus(Box<ClusterNodeStatus>),
    /// Fence the node off from its clients, or let it serve again.
    SetFence {
        /// Whether it should be fenced.
        fenced: bool,
    },
    /// Form a new cluster with this node as its first member.
    Bootstrap {
        /// This node, as the wish names it.
        member: MemberId,
        /// How many voters must have joined before writes are accepted.
        voters: u32,
    },
    /// Begin anew from this node's disk alone.
    Recover {
        /// This node, as the wish names it.
        member: MemberId,
        /// The position that it must have, of the incarnation that ends.
        position: String,
    },
    /// Have a majority confirm that this node leads, then echo the operation id.
    ConfirmLeadership {
        /// The operation id that the operator waits for.
        operation: String,
    },
    /// Hand leadership over.
    TransferLeadership {
        /// Who should lead.
        to: MemberId,
    },
    /// Change one member, through the guards of the admin API.
    ChangeMember(Change),
}

/// A wished membership that differs from what the log holds.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Change {
    /// The member.
    pub member: MemberId,
    /// What it should be.
    pub membership: Membership,
    /// Where its peers reach it; empty for a removal.
    pub peer_address: String,
    /// Its public key; `None` for a removal.
    pub key: Option<[u8; 32]>,
    /// Epoch of the wish.
    pub epoch: u64,
    /// The membership that this change stands on: refused if another one came first.
    pub expected: Option<MembershipId>,
}

/// Everything the node could do now, most urgent first, and why the rest must wait.
pub(super) struct Wanted {
    candidates: Vec<Action>,
    /// What stands in the way, for the status message.
    pub obstacles: Vec<String>,
}

impl Wanted {
    /// The first candidate that is not held back after a failure or a success a moment ago.
    pub fn first_not_held(self, seen: &Observed) -> Option<Action> {
        self.candidates.into_iter().find(|action| {
            seen.acting
                .attempt(action)
                .is_none_or(|attempt| attempt.held_until <= seen.now)
        })
    }
}

/// Why a wish cannot be followed; `None` where there is nothing to say.
type Obstacle = Option<String>;

/// What the node should do about its own wish and, as the leader, about everybody's.
pub(super) fn wanted(seen: &Observed, own: &Wish) -> Wanted {
    let mut candidates = Vec::new();
    let mut obstacles = Vec::new();
    candidates.extend(fence(seen, own));
    candidates.extend(bootstrap(seen, own));
    collect(
        recovery(seen, own).into_iter(),
        &mut candidates,
        &mut obstacles,
    );
    if seen.node.leads() {
        candidates.extend(confirmation(seen, own));
        collect(
            transfer(seen, own).into_iter(),
            &mut candidates,
            &mut obstacles,
        );
        let mut changes = Vec::new();
        collect(
            seen.wishes.iter().map(|wish| change(seen, wish)),
            &mut changes,
            &mut obstacles,
        );
        changes.sort_by_key(|action| urgency(seen, action));
        candidates.extend(changes);
    }
    obstacles.extend(
        candidates
            .iter()
            .filter_map(|action| message::refusal(action, seen.acting.attempt(action)?)),
    );
    let mut told = BTreeSet::new();
    obstacles.retain(|obstacle| told.insert(obstacle.clone()));
    Wanted {
        candidates,
        obstacles,
    }
}

fn collect(
    found: impl Iterator<Item = Result<Action, Obstacle>>,
    candidates: &mut Vec<Action>,
    obstacles: &mut Vec<String>,
) {
    for one in found {
        match one {
            Ok(action) => candidates.push(action),
            Err(obstacle) => obstacles.extend(obstacle),
        }
    }
}

/// A wish for another member id is not this disk's; one that names nobody yet is.
fn fence(seen: &Observed, own: &Wish) -> Option<Action> {
    let node = &seen.node;
    let obeys = own.member.is_none_or(|member| member == node.member) && node.fatal.is_none();
    let fenced = own.fenced;
    (obeys && fenced != node.fenced).then_some(Action::SetFence { fenced })
}

/// Only the named member id, only on an empty disk without a cluster id.
fn bootstrap(seen: &Observed, own: &Wish) -> Option<Action> {
    let (member, voters) = own.bootstrap?;
    let obeys = member == seen.node.member && seen.node.is_empty() && seen.node.fatal.is_none();
    obeys.then_some(Action::Bootstrap { member, voters })
}

/// Only the named member id, only while no leader is heard of, and only at a position of the history that its disk has:
/// what was obeyed is of an earlier one from then on.
fn recovery(seen: &Observed, own: &Wish) -> Option<Result<Action, Obstacle>> {
    let (member, position) = own.recover.clone()?;
    let node = &seen.node;
    let lost = node.leaderless && node.cluster.is_some() && node.fatal.is_none();
    if member != node.member || !lost {
        return None;
    }
    let ours = node.incarnation;
    Some(match incarnation(&position) == Some(ours) {
        true => Ok(Action::Recover { member, position }),
        false => Err(Some(format!(
            "recovery from {position} has no effect: this disk is of incarnation {ours}; name a position of it"
        ))),
    })
}

/// The incarnation that a position is of, `log.incarnation.index`.
fn incarnation(position: &str) -> Option<u64> {
    let mut parts = position.split('.');
    let (_, incarnation, _) = (parts.next()?, parts.next()?, parts.next()?);
    match parts.next() {
        None => incarnation.parse().ok(),
        Some(_) => None,
    }
}

fn confirmation(seen: &Observed, own: &Wish) -> Option<Action> {
    let operation = own.operation.clone()?;
    let open = own.is_for(seen.node.member) && seen.echo(own).is_none();
    open.then_some(Action::ConfirmLeadership { operation })
}

/// A leader that should not lead, or should not even vote, hands over first.
fn transfer(seen: &Observed, own: &Wish) -> Option<Result<Action, Obstacle>> {
    let leaves = own.leadership == Leadership::Avoid
        || (own.membership != Membership::Voter && own.epoch > stored_epoch(seen, own));
    if !own.is_for(seen.node.member) || !leaves {
        return None;
    }
    let to = seen
        .node
        .members
        .iter()
        .filter(|member| may_lead(seen, member))
        .max_by_key(|member| (member.matched, std::cmp::Reverse(member.id)));
    Some(match to {
        Some(member) => Ok(Action::TransferLeadership { to: member.id }),
        None => Err(Some(
            "leadership stays: no other voter is reached, caught up and allowed to lead".to_owned(),
        )),
    })
}

fn stored_epoch(seen: &Observed, wish: &Wish) -> u64 {
    wish.member
        .and_then(|id| seen.node.find(id))
        .map_or(0, |member| member.epoch)
}

fn may_lead(seen: &Observed, member: &Member) -> bool {
    let wished_away = seen.wishes.iter().any(|wish| {
        wish.is_for(member.id)
            && (wish.leadership == Leadership::Avoid || wish.membership != Membership::Voter)
    });
    let other = member.id != seen.node.member;
    other && member.voter && member.caught_up && member.reached && !wished_away
}

/// The change that a wish asks for. `Err(None)` where log and wish agree, or the wish is not complete yet.
fn change(seen: &Observed, wish: &Wish) -> Result<Action, Obstacle> {
    let id = wish.member.ok_or(None)?;
    let now = seen.node.find(id);
    if agrees(wish, now) {
        return Err(None);
    }
    if seen
        .wishes
        .iter()
        .any(|other| other.name != wish.name && other.is_for(id))
    {
        return Err(Some(format!("two ClusterNodes ask for member {id}")));
    }
    above_stored(wish, id, now)?;
    if id == seen.node.member && wish.membership != Membership::Voter {
        // `transfer` hands leadership over; the next leader carries this wish.
        return Err(None);
    }
    let joins = wish.membership != Membership::Removed;
    let (peer_address, key) = if joins {
        let introduced = introduction(seen, wish, id)?;
        (introduced.0, Some(introduced.1))
    } else {
        (String::new(), None)
    };
    let (membership, epoch) = first_step(wish, now);
    Ok(Action::ChangeMember(Change {
        member: id,
        membership,
        peer_address,
        key,
        epoch,
        expected: seen.node.membership,
    }))
}

/// Whoever is to vote learned before. Where that was told to a leader who took it along when it went, it comes first again,
/// under an epoch below the wish's own.
fn first_step(wish: &Wish, now: Option<&Member>) -> (Membership, u64) {
    match (wish.membership, now) {
        (Membership::Voter, None) => (Membership::Learner, wish.epoch.saturating_sub(1)),
        (membership, _) => (membership, wish.epoch),
    }
}

/// True if the member is what the wish says, at the address that its node reports.
fn agrees(wish: &Wish, now: Option<&Member>) -> bool {
    let Some(member) = now else {
        return wish.membership == Membership::Removed;
    };
    let address = wish.reported.peer_address.as_ref();
    let stays = wish.reported.member != Some(member.id)
        || address.is_none_or(|address| *address == member.peer_address);
    match wish.membership {
        Membership::Voter => member.voter && stays,
        Membership::Learner => !member.voter && stays,
        Membership::Removed => false,
    }
}

/// The wish must be younger than the one in the log.
fn above_stored(wish: &Wish, id: MemberId, now: Option<&Member>) -> Result<(), Obstacle> {
    let Some(member) = now.filter(|member| wish.epoch <= member.epoch) else {
        return Ok(());
    };
    let wished = wish.membership;
    let moved_only = wished != Membership::Removed && member.voter == (wished == Membership::Voter);
    // A new address alone is no wish of the operator's: it waits for the next one.
    Err((!moved_only).then(|| {
        format!(
            "the wish {} for member {id} is refused: its epoch {} is not above {}, which the log holds",
            message::membership(wished),
            wish.epoch,
            member.epoch,
        )
    }))
}

/// Address and key of a node that may be a member: it reported this very id, and no other cluster's data.
fn introduction(
    seen: &Observed,
    wish: &Wish,
    id: MemberId,
) -> Result<(String, [u8; 32]), Obstacle> {
    if seen.node.removed.contains(&id) {
        return Err(Some(format!(
            "member {id} was removed and cannot come back: its node draws a new id"
        )));
    }
    let reported = &wish.reported;
    if reported.member != Some(id) {
        return Err(None);
    }
    if let Some(theirs) = &reported.cluster
        && seen.node.cluster.as_ref() != Some(theirs)
    {
        return Err(Some(format!(
            "{} has the disk of another cluster, {theirs}",
            wish.name
        )));
    }
    match (&reported.peer_address, reported.key) {
        (Some(address), Some(key)) => Ok((address.clone(), key)),
        _ => Err(None),
    }
}

/// Joins first, then promotions, then demotions, removals last; among equals the lower id.
fn urgency(seen: &Observed, action: &Action) -> (u8, Option<MemberId>) {
    let Action::ChangeMember(change) = action else {
        return (0, None);
    };
    let rank = match (change.membership, seen.node.find(change.member)) {
        (Membership::Learner, None) => 0,
        (Membership::Voter, _) => 1,
        (Membership::Learner, Some(_)) => 2,
        (Membership::Removed, _) => 3,
    };
    (rank, Some(change.member))
}
