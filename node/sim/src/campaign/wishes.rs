//! What whoever runs the cluster wishes of its members, told from what the agents report: as the operator does, one
//! removal at a time.

use std::collections::BTreeSet;

use crds::{ClusterNode, ClusterNodeStatus, Membership, Role};

/// Writes into the ClusterNodes that the machines of `wanted` are to vote, and nobody else is to be a member.
pub fn wish(nodes: &mut [ClusterNode], wanted: &BTreeSet<usize>) {
    let reports = nodes.iter().filter_map(|node| node.status.as_ref());
    let newest = reports.clone().map(|status| status.term).max();
    // What a former leader said may be older than what was done since.
    let mut leaders = reports.filter(|status| status.role == Some(Role::Leader));
    let Some(leader) = leaders.find(|status| Some(status.term) == newest).cloned() else {
        return;
    };
    let leaves = |node: &ClusterNode| {
        let member = node.spec.member_id.as_deref();
        node.spec.membership == Membership::Removed
            && member.is_some_and(|id| is_member(&leader, id))
    };
    let mut leaving = nodes.iter().any(leaves);
    for (n, node) in nodes.iter_mut().enumerate() {
        if leaves(node) {
            continue;
        }
        let Some((member, membership)) = next(node, &leader, wanted.contains(&n)) else {
            continue;
        };
        if membership == Membership::Removed && std::mem::replace(&mut leaving, true) {
            continue;
        }
        let spec = &mut node.spec;
        if spec.member_id.as_ref() != Some(&member) || spec.membership != membership {
            spec.member_id = Some(member);
            spec.membership = membership;
            spec.epoch += 1;
        }
    }
}

/// What is to become of which member; nothing where all is as it should be, or the node has to begin anew first.
fn next(
    node: &ClusterNode,
    leader: &ClusterNodeStatus,
    wanted: bool,
) -> Option<(String, Membership)> {
    let reported = node.status.as_ref()?.member_id.clone()?;
    let wished = node.spec.member_id.as_ref();
    // The disk was replaced: the former member goes before the new one comes.
    let former = wished.filter(|id| **id != reported && is_member(leader, id));
    if let Some(former) = former {
        return Some((former.clone(), Membership::Removed));
    }
    if leader.removed_ids.contains(&reported) {
        return None;
    }
    match wanted {
        false => is_member(leader, &reported).then_some((reported, Membership::Removed)),
        true if leader.voters.contains(&reported) || leader.caught_up.contains(&reported) => {
            Some((reported, Membership::Voter))
        }
        true => Some((reported, Membership::Learner)),
    }
}

fn is_member(leader: &ClusterNodeStatus, id: &str) -> bool {
    leader
        .voters
        .iter()
        .chain(&leader.learners)
        .any(|known| known == id)
}
