//! How far the cluster has come into being. It is formed exactly once: never while any disk carries a cluster id,
//! never before every wanted node has reported, never again once it was.

use super::outcome::Wait;
use super::reason::Reason;
use super::view::{Node, View};
use crate::validate::Subject;

/// How many members vote at most; further nodes learn.
pub const VOTERS_MAX: usize = 7;

/// How far the cluster has come into being.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Formation {
    /// Disks carry more than one cluster id: nothing is touched.
    Conflict(Wait),
    /// It was formed, and no disk carries it: nothing is touched.
    Lost(Wait),
    /// No disk carries a cluster id, and not every wanted node has reported.
    Gathering(Wait),
    /// No disk carries a cluster id, and one node is told to form the cluster.
    Bootstrapping {
        /// The node.
        node: String,
        /// The member id on its disk, which alone obeys.
        member: String,
        /// Voters to come.
        voters: i32,
        /// True when it is told for the first time.
        first: bool,
    },
    /// A retained volume carries a cluster id, and no node reported one yet.
    Adopting(Wait),
    /// A node reported the cluster id.
    Formed,
}

/// How far the cluster has come, where `wanted` are the names of the nodes that should exist.
pub fn formation(subject: &Subject, view: &View, wanted: &[String]) -> Formation {
    let ids: Vec<&str> = view.cluster_ids.iter().copied().collect();
    if ids.len() > 1 {
        let message = format!(
            "volumes carry the data of different clusters: {}",
            holders(view)
        );
        return Formation::Conflict(Wait::for_(Reason::ClusterIdConflict, message));
    }
    if view
        .nodes
        .iter()
        .filter_map(Node::status)
        .any(|status| status.cluster_id.is_some())
    {
        return Formation::Formed;
    }
    if !ids.is_empty() {
        let message = format!(
            "no node has yet reported what it found on its volume: {}",
            unreported(view).join(", ")
        );
        return Formation::Adopting(Wait::for_(Reason::WaitingForVolumes, message));
    }
    if let Some(id) = &subject.status.cluster_id {
        let message = format!(
            "cluster {id} was formed once and no volume carries it; delete this Cluster to begin a new one"
        );
        return Formation::Lost(Wait::for_(Reason::DataLost, message));
    }
    bootstrap(view, wanted)
}

fn bootstrap(view: &View, wanted: &[String]) -> Formation {
    let find = |name: &String| view.nodes.iter().find(|node| node.name == name);
    let told = view
        .nodes
        .iter()
        .find(|node| node.wish().is_some_and(|wish| wish.bootstrap.is_some()));
    let silent: Vec<&str> = wanted
        .iter()
        .filter(|name| find(name).and_then(Node::reported).is_none())
        .map(String::as_str)
        .collect();
    if let Some((node, wish)) = told.and_then(|node| Some((node, node.wish()?.bootstrap.clone()?)))
    {
        // Writes are accepted only once all voters joined, so a node that lost its disk before anyone reported the
        // cluster lost nothing: it is told again, under the id that it has now.
        let member = node
            .reported()
            .map_or(wish.member_id.clone(), str::to_owned);
        let first = member != wish.member_id;
        return Formation::Bootstrapping {
            node: node.name.to_owned(),
            member,
            voters: wish.voters,
            first,
        };
    }
    if !silent.is_empty() {
        let message = format!("nodes have yet to start and report: {}", silent.join(", "));
        return Formation::Gathering(Wait::for_(Reason::WaitingForNodes, message));
    }
    let chosen = wanted
        .iter()
        .find_map(|name| Some((name, find(name)?.reported()?)));
    match chosen {
        Some((node, member)) => Formation::Bootstrapping {
            node: node.clone(),
            member: member.to_owned(),
            voters: i32::try_from(wanted.len().min(VOTERS_MAX)).unwrap_or_default(),
            first: true,
        },
        None => Formation::Gathering(Wait::for_(Reason::WaitingForNodes, "no node is wanted yet")),
    }
}

/// Volumes that carry data and whose nodes have not reported it.
pub fn unreported<'a>(view: &View<'a>) -> Vec<&'a str> {
    view.nodes
        .iter()
        .filter(|node| {
            node.claim
                .is_some_and(|claim| !claim.retired && claim.cluster_id.is_some())
        })
        .filter(|node| {
            node.fresh()
                .and_then(|status| status.member_id.as_ref())
                .is_none()
        })
        .map(|node| node.name)
        .collect()
}

fn holders(view: &View) -> String {
    let of = |node: &Node| {
        let reported = node.status().and_then(|status| status.cluster_id.clone());
        let retained = node
            .claim
            .filter(|claim| !claim.retired)
            .and_then(|claim| claim.cluster_id.clone());
        reported
            .or(retained)
            .map(|id| format!("{} has {id}", node.name))
    };
    view.nodes
        .iter()
        .filter_map(of)
        .collect::<Vec<_>>()
        .join(", ")
}
