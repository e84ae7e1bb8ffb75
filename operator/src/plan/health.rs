//! How a cluster fares, as far as reports and pods that exist now tell.

use crds::DiskClass;

use super::view::{Node, View};

/// Whether writes can commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Quorum {
    /// Nobody leads, as far as is known, and enough voters are there to elect one.
    NoLeader,
    /// Fewer live voters than a majority, be there a leader or not.
    Lost {
        /// Live, caught up, reached.
        live: usize,
        /// In all.
        voters: usize,
    },
    /// A leader and a live majority.
    Healthy {
        /// Live, caught up, reached.
        live: usize,
        /// In all.
        voters: usize,
    },
}

/// What a lost quorum is told as.
pub fn shortage(live: usize, voters: usize) -> String {
    format!("{live} of {voters} voters are live and caught up")
}

/// Judges the quorum by the leader's own report and the readiness of the voters' pods.
pub fn quorum(view: &View) -> Quorum {
    let Some(leader) = view.fresh_leader() else {
        return without_leader(view);
    };
    let voters = leader.status.voters.len();
    let live = leader.status.voters.iter();
    let live = live.filter(|voter| leader.has_caught_up(voter) && leader.reaches(voter));
    let live = live.filter(|voter| view.node_of_member(voter).is_some_and(serves));
    let live = live.count();
    if live * 2 > voters {
        Quorum::Healthy { live, voters }
    } else {
        Quorum::Lost { live, voters }
    }
}

/// Whether a node works: Kubernetes or the node itself says so, of which one hears some seconds before the other. What a node
/// said last counts for nothing when its machine has fallen silent.
fn serves(node: &Node) -> bool {
    let says_so = node.fresh().is_some_and(|status| status.ready);
    let stays = node.pod.is_some_and(|pod| !pod.deleting && !pod.silent);
    node.is_alive() || (stays && says_so)
}

/// Who may yet elect a leader: voters whose disk some pod has, and nothing tells that it cannot run. One that has only
/// just started counts.
fn without_leader(view: &View) -> Quorum {
    let voters = view.known_voters();
    let has = |node: &Node, voter: &str| {
        let reports = node.status().and_then(|status| status.member_id.as_deref());
        reports == Some(voter)
            && node
                .pod
                .is_some_and(|pod| !pod.deleting && !pod.silent && pod.trouble.is_none())
    };
    let live = voters
        .iter()
        .filter(|voter| view.nodes.iter().any(|node| has(node, voter)))
        .count();
    let voters = voters.len();
    match voters > 0 && live * 2 <= voters {
        true => Quorum::Lost { live, voters },
        false => Quorum::NoLeader,
    }
}

/// Whether writes commit, as the leader found by its own; nothing while it does not know. Where it is cut off from the API server
/// its last word is old: it counts only as long as those who would have heard of such writes do not deny it.
pub fn commits(view: &View) -> Option<bool> {
    let leader = view.fresh_leader()?;
    let commits = leader.status.commits?;
    let denies = |voter: &str| {
        let node = view.node_of_member(voter);
        let status = node.and_then(Node::fresh);
        voter != leader.member && status.is_some_and(|status| status.commits == Some(false))
    };
    let voters = &leader.status.voters;
    let denied = voters.iter().filter(|voter| denies(voter)).count();
    Some(commits && denied * 2 < voters.len())
}

/// Why a wanted node is not ready; nothing when it is.
pub fn trouble(name: &str, node: Option<&Node>) -> Option<String> {
    let Some(node) = node else {
        return Some(format!("{name}: does not exist yet"));
    };
    if node.is_alive() {
        return None;
    }
    let pod = match node.pod {
        None => match node.refused {
            Some(why) => format!(
                "Kubernetes refuses its pod (spec.scheduling, spec.resources and spec.podTemplate make it): {why}"
            ),
            None => "no pod yet".to_owned(),
        },
        Some(pod) if pod.deleting => "its pod is being deleted".to_owned(),
        Some(pod) if pod.silent => "its machine says nothing".to_owned(),
        Some(pod) => match (&pod.trouble, node.fresh()) {
            (Some(trouble), _) => match unbound(node) {
                Some(claim) => format!("{trouble}; {claim}"),
                None => trouble.clone(),
            },
            (None, None) => "has not reported yet".to_owned(),
            (None, Some(status)) => {
                let said = status
                    .ready_message
                    .clone()
                    .or_else(|| status.message.clone());
                said.unwrap_or_else(|| "its pod is not ready".to_owned())
            }
        },
    };
    Some(format!("{name}: {pod}"))
}

/// A claim without a volume, which may be why its pod cannot be placed.
fn unbound(node: &Node) -> Option<String> {
    let claim = node.claim.filter(|claim| !claim.bound)?;
    let class = claim.class.as_deref().unwrap_or("(none)");
    let name = &claim.name;
    Some(format!(
        "volume claim {name} of storage class {class} is not bound"
    ))
}

/// Nodes whose disks are of `class`.
pub fn disks<'a>(view: &View<'a>, class: DiskClass) -> Vec<&'a str> {
    let of = |node: &&Node| {
        node.fresh()
            .and_then(|status| status.disk.as_ref())
            .is_some_and(|disk| disk.class == class)
    };
    view.nodes.iter().filter(of).map(|node| node.name).collect()
}

/// The lowest version that a node reports.
pub fn version(view: &View) -> Option<String> {
    let number = |text: &str| -> Vec<u64> {
        text.split(['.', '-', '+'])
            .map_while(|part| part.parse().ok())
            .collect()
    };
    let reported = view
        .nodes
        .iter()
        .filter_map(|node| node.fresh()?.version.as_deref());
    reported.min_by_key(|text| number(text)).map(str::to_owned)
}
