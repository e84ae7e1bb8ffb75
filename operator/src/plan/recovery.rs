//! The way back after a majority of the disks was lost for ever: a person names the survivor, and the cluster begins
//! anew from its disk alone. Never decided here, never repeated, and refused while a majority is live.

use crds::{ClusterNodeSpec, Recover, RecoverFrom, RecoveryStatus};

use super::health::{Quorum, quorum};
use super::outcome::Step;
use super::reason::Reason;
use super::risk::{Risk, Situation};
use super::view::{Node, View};
use crate::validate::Subject;

/// What became of a wish to recover.
pub enum Outcome<'a> {
    /// There is none, or it was obeyed before.
    Nothing,
    /// A majority is live, or it was there before the Cluster: the wish is used up without effect.
    Refused(RecoveryStatus),
    /// The survivor leads alone.
    Done(RecoveryStatus),
    /// No majority is live, and no pod reports the survivor's disk with data.
    Missing,
    /// The node that is to obey.
    Ordered(&'a Node<'a>),
}

/// What became of `wish`.
pub fn outcome<'a>(subject: &Subject, wish: Option<&RecoverFrom>, view: &'a View) -> Outcome<'a> {
    let Some(wish) = wish.filter(|wish| !is_used_up(subject, wish)) else {
        return Outcome::Nothing;
    };
    let record = |incarnation: i64, refusal: Option<&str>| RecoveryStatus {
        member_id: wish.member_id.clone(),
        position: wish.position.clone(),
        incarnation,
        refusal: refusal.map(str::to_owned),
    };
    if subject.status.observed_generation.is_none() {
        // It was written for a Cluster of the same name that is gone.
        return Outcome::Refused(record(0, Some(CAME_WITH_THE_CLUSTER)));
    }
    // A disk that carries no cluster has nothing to begin anew from.
    let survivor = view.node_of_member(&wish.member_id).filter(|node| {
        node.fresh()
            .is_some_and(|status| status.cluster_id.is_some())
    });
    match (view.fresh_leader(), quorum(view), survivor) {
        (Some(leader), Quorum::Healthy { .. }, _) => {
            let alone = leader.member == wish.member_id && leader.status.voters.len() == 1;
            let told = survivor.and_then(Node::wish);
            let told = told.is_some_and(|told| told.recover.is_some());
            match alone && told {
                true => Outcome::Done(record(leader.status.incarnation, None)),
                false => Outcome::Refused(record(
                    leader.status.incarnation,
                    Some("a majority of the voters is live: there is nothing to recover"),
                )),
            }
        }
        (_, _, Some(survivor)) => Outcome::Ordered(survivor),
        (_, _, None) => Outcome::Missing,
    }
}

/// Why the wish of a manifest that was just created is no wish.
const CAME_WITH_THE_CLUSTER: &str = "it came with a Cluster that was just created: where that is right, name another \
     position, at most the one that the survivor reports";

fn is_used_up(subject: &Subject, wish: &RecoverFrom) -> bool {
    let last = subject.status.recovery.as_ref();
    last.is_some_and(|last| (&last.member_id, &last.position) == (&wish.member_id, &wish.position))
}

/// What `Cluster.status` remembers of the last wish.
pub fn record(
    subject: &Subject,
    wish: Option<&RecoverFrom>,
    view: &View,
) -> Option<RecoveryStatus> {
    match outcome(subject, wish, view) {
        Outcome::Done(record) | Outcome::Refused(record) => Some(record),
        _ => subject.status.recovery.clone(),
    }
}

/// While a recovery is under way nothing else is.
pub fn risk(now: &Situation) -> Risk {
    let wish = now.validated.recover_from.as_ref();
    match (outcome(now.subject, wish, now.view), wish) {
        (Outcome::Missing, Some(wish)) => Risk {
            why: Some(Reason::Recovering),
            ..Risk::default()
        }
        .waiting(
            Reason::RecoveryRefused,
            format!(
                "spec.operations.recoverFrom: no running node reports member {} with data",
                wish.member_id
            ),
        ),
        (Outcome::Ordered(node), Some(wish)) => {
            let wanted = order(wish);
            let told = node
                .wish()
                .is_some_and(|told| told.recover.as_ref() == Some(&wanted));
            let said = node.fresh().and_then(|status| status.message.as_ref());
            let said = said.map(|said| format!("; it says: {said}"));
            let this = Risk {
                target: None,
                ..Risk::of(node, Reason::Recovering)
            }
            .waiting(
                Reason::Recovering,
                format!(
                    "{} has yet to begin anew from its disk alone{}",
                    node.name,
                    said.unwrap_or_default()
                ),
            );
            let step = (!told).then(|| Step::Recover {
                node: node.name.to_owned(),
                member: wish.member_id.clone(),
                position: wish.position.clone(),
            });
            Risk { step, ..this }
        }
        _ => Risk::default(),
    }
}

fn order(wish: &RecoverFrom) -> Recover {
    Recover {
        member_id: wish.member_id.clone(),
        position: wish.position.clone(),
    }
}

/// Puts the order into the wish of the node that is to obey it, and takes it out of every other.
pub fn settle(wish: &mut ClusterNodeSpec, name: &str, now: &Situation) {
    let asked = now.validated.recover_from.as_ref();
    let obeys = match outcome(now.subject, asked, now.view) {
        Outcome::Ordered(node) => node.name == name,
        // It stays until the status remembers what became of it.
        Outcome::Done(_) => wish.recover.is_some(),
        _ => false,
    };
    wish.recover = asked.filter(|_| obeys).map(order);
}
