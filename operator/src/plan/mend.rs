//! Pods of an outdated template that are broken: each may be replaced at any time, so that a bad image never wedges
//! the way back.

use super::outcome::Step;
use super::reason::Reason;
use super::risk::{Risk, Situation};
use super::roll::{Outdated, majority_without, outdated};
use super::view::Node;

/// The first outdated pod whose going takes nothing away that works.
pub fn broken<'a>(now: &Situation<'a>) -> Option<Outdated<'a>> {
    outdated(now).find(|outdated| is_broken(now, outdated.node))
}

/// What is under way goes on waiting, and the pod is replaced meanwhile.
pub fn replace(under_way: Risk, broken: Outdated) -> Risk {
    let step = Some(Step::Restart {
        node: broken.node.name.to_owned(),
        pod_uid: broken.pod_uid.to_owned(),
        why: "it is broken, and its template is outdated",
    });
    match under_way.why {
        Some(_) => Risk { step, ..under_way },
        None => Risk {
            step,
            ..Risk::of(broken.node, Reason::ReplacingBrokenPod)
        },
    }
}

fn is_broken(now: &Situation, node: &Node) -> bool {
    let Some(pod) = node.pod.filter(|pod| !pod.ready) else {
        return false;
    };
    if now.validated.fenced.contains(node.name) {
        // Never ready, and well for all that.
        return pod.trouble.is_some();
    }
    if pod.trouble.is_some() {
        return true;
    }
    // It runs without being ready, or has only just started. Its vote may be what the majority rests on.
    match (now.view.fresh_leader(), node.reported().or(node.wished())) {
        (Some(leader), Some(member)) => {
            !leader.is_voter(member)
                || !leader.reaches(member)
                || majority_without(now, leader, member)
        }
        _ => node.fresh().is_none() || others_are_there(now, node),
    }
}

/// Nothing commits without a leader: one pod at a time goes.
fn others_are_there(now: &Situation, node: &Node) -> bool {
    now.wanted().all(|(name, other)| {
        let there = other
            .and_then(|other| other.pod)
            .is_some_and(|pod| !pod.deleting);
        there || name == node.name
    })
}
