//! Which nodes there should be: how many of each zone, and how many pods of each StatefulSet.

use std::collections::{BTreeMap, BTreeSet};

use crds::{Membership, names};

use super::formation::Formation;
use super::view::{Node, View};
use crate::validate::{Subject, Validated};

/// The nodes of one zone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ZoneLayout {
    /// Nodes that the spec wants in it.
    pub desired: u32,
    /// Nodes that have a ClusterNode: ordinals 0 to this.
    pub nodes: u32,
    /// Pods of its StatefulSet.
    pub replicas: u32,
}

/// Nodes of each zone, by name.
pub type Layout = BTreeMap<String, ZoneLayout>;

/// `replicas` divided evenly over `zones` (sorted); the rest goes to the first of them.
pub fn desired_by_zone(replicas: u32, zones: &[&str]) -> BTreeMap<String, u32> {
    let count = u32::try_from(zones.len()).unwrap_or(u32::MAX).max(1);
    let (each, rest) = (replicas / count, replicas % count);
    (0..)
        .zip(zones)
        .map(|(index, zone)| ((*zone).to_owned(), each + u32::from(index < rest)))
        .collect()
}

/// Nodes that should exist before anything is known of how far the cluster has come: those the spec wants, and
/// those whose volumes carry data.
pub fn before_formation(subject: &Subject, validated: &Validated, view: &View) -> Vec<String> {
    node_names(subject, &layout(validated, view, Stage::Unformed))
}

/// What decides which nodes are kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stage {
    /// No disk carries a cluster: nodes without data may go as they came.
    Unformed,
    /// One node was told to form the cluster: nobody goes.
    Bootstrapping,
    /// There is, or was, a cluster: nodes go one by one.
    Formed,
}

impl Stage {
    /// The stage of a formation.
    pub fn of(formation: &Formation) -> Stage {
        match formation {
            Formation::Gathering(_) => Stage::Unformed,
            Formation::Bootstrapping { first: false, .. } => Stage::Bootstrapping,
            Formation::Bootstrapping { first: true, .. } => Stage::Unformed,
            Formation::Conflict(_)
            | Formation::Lost(_)
            | Formation::Adopting(_)
            | Formation::Formed => Stage::Formed,
        }
    }
}

/// Which nodes there should be.
pub fn layout(validated: &Validated, view: &View, stage: Stage) -> Layout {
    let wanted: Vec<&str> = validated
        .zones
        .iter()
        .map(|zone| zone.name.as_str())
        .collect();
    let desired = desired_by_zone(validated.replicas, &wanted);
    let mut zones: BTreeSet<&str> = wanted.into_iter().collect();
    zones.extend(view.sets.keys());
    let share = |zone: &str| desired.get(zone).copied().unwrap_or_default();
    zones.extend(
        view.nodes
            .iter()
            .filter(|node| is_kept(node, view, stage, share(node.zone)))
            .map(|node| node.zone),
    );
    zones
        .into_iter()
        .map(|zone| (zone.to_owned(), zone_layout(zone, share(zone), view, stage)))
        .collect()
}

fn zone_layout(zone: &str, desired: u32, view: &View, stage: Stage) -> ZoneLayout {
    let here = || view.nodes.iter().filter(|node| node.zone == zone);
    let kept = here()
        .filter(|node| is_kept(node, view, stage, desired))
        .map(|node| node.ordinal + 1)
        .max()
        .unwrap_or_default();
    // While a member leaves, its zone does not grow: it must stay the last one.
    let leaving = here().find(|node| leaves(node, view, desired));
    let nodes = if leaving.is_some() {
        kept
    } else {
        kept.max(desired)
    };
    let set = view.sets.get(zone).map(|set| set.replicas);
    let shrunk = leaving
        .map(|node| node.ordinal)
        .filter(|ordinal| set.is_some_and(|replicas| replicas <= *ordinal));
    let replicas = match (stage, shrunk) {
        (_, Some(ordinal)) => ordinal,
        (Stage::Unformed, None) => desired.max(with_data(zone, view)),
        (_, None) => nodes,
    };
    ZoneLayout {
        desired,
        nodes,
        replicas,
    }
}

/// True when the whole node was asked to leave, where its zone should have `desired` nodes. A member that makes room
/// for another on the same node leaves without its node, and only the last node of a zone can go.
pub fn leaves(node: &Node, view: &View, desired: u32) -> bool {
    let removed = node
        .wish()
        .is_some_and(|wish| wish.membership == Membership::Removed);
    removed && is_last(node, view) && (!is_replaced(node) || node.ordinal >= desired)
}

fn is_last(node: &Node, view: &View) -> bool {
    let holds =
        |other: &Node| other.seen.is_some() || other.claim.is_some_and(|claim| !claim.retired);
    let mut behind = view
        .nodes
        .iter()
        .filter(|other| other.zone == node.zone && other.ordinal > node.ordinal);
    !behind.any(holds)
}

/// True when the disk of the node holds another member than its wish is for.
pub fn is_replaced(node: &Node) -> bool {
    matches!((node.wished(), node.reported()), (Some(wished), Some(reported)) if wished != reported)
}

fn with_data(zone: &str, view: &View) -> u32 {
    let carries = |node: &&Node| {
        node.claim
            .is_some_and(|claim| !claim.retired && claim.cluster_id.is_some())
    };
    let here = view.nodes.iter().filter(|node| node.zone == zone);
    here.filter(carries)
        .map(|node| node.ordinal + 1)
        .max()
        .unwrap_or_default()
}

/// True when the node must have a ClusterNode whatever the spec wants.
fn is_kept(node: &Node, view: &View, stage: Stage, desired: u32) -> bool {
    let claim = node.claim.filter(|claim| !claim.deleting);
    let carries = claim.is_some_and(|claim| !claim.retired && claim.cluster_id.is_some());
    let still_member = || {
        let member = claim.and_then(|claim| claim.member_id.as_deref());
        member.is_some_and(|member| {
            view.leader
                .as_ref()
                .is_some_and(|leader| leader.is_member(member))
        })
    };
    match (stage, node.seen) {
        (Stage::Unformed, Some(_)) => carries || node.pod.is_some(),
        (Stage::Unformed, None) => carries,
        (Stage::Bootstrapping, seen) => seen.is_some() || carries || node.pod.is_some(),
        (Stage::Formed, Some(_)) => !(leaves(node, view, desired) && is_gone(node, view)),
        // A pod whose ClusterNode is gone may hold a member: it leaves as one, not with its StatefulSet's number.
        (Stage::Formed, None) => {
            node.pod.is_some() || claim.is_some_and(|claim| !claim.retired) || still_member()
        }
    }
}

/// True when the pod of a leaving node is gone and will not come back.
fn is_gone(node: &Node, view: &View) -> bool {
    let set = view.sets.get(node.zone).map(|set| set.replicas);
    node.pod.is_none() && set.is_none_or(|replicas| replicas <= node.ordinal)
}

/// Names of all nodes of a layout, by zone and ordinal.
pub fn node_names(subject: &Subject, layout: &Layout) -> Vec<String> {
    layout
        .iter()
        .flat_map(|(zone, here)| {
            (0..here.nodes).map(move |ordinal| names::pod(&subject.name, zone, ordinal))
        })
        .collect()
}
