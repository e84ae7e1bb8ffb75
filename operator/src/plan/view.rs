//! What was observed, arranged by node, and the leader that is believed.

use std::collections::{BTreeMap, BTreeSet};

use crds::{ClusterNodeSpec, ClusterNodeStatus, Role, names};

use crate::observe::{ClaimSeen, NodeSeen, Observed, PodSeen, SetSeen};
use crate::validate::Subject;

/// Everything known of one node: its ClusterNode, its pod and its volume claim, each of which may be absent.
#[derive(Clone, Debug)]
pub struct Node<'a> {
    /// Name of its pod and of its ClusterNode.
    pub name: &'a str,
    /// Its zone.
    pub zone: &'a str,
    /// Its number in the zone.
    pub ordinal: u32,
    /// Its ClusterNode.
    pub seen: Option<&'a NodeSeen>,
    /// Its pod.
    pub pod: Option<&'a PodSeen>,
    /// Its volume claim.
    pub claim: Option<&'a ClaimSeen>,
    /// Why the API server would not have its pod.
    pub refused: Option<&'a str>,
}

impl<'a> Node<'a> {
    /// The wish that its ClusterNode holds.
    pub fn wish(&self) -> Option<&'a ClusterNodeSpec> {
        self.seen.map(|seen| &seen.spec)
    }

    /// What was last reported, be it by a pod that is gone.
    pub fn status(&self) -> Option<&'a ClusterNodeStatus> {
        self.seen.and_then(|seen| seen.status.as_ref())
    }

    /// What the pod that exists now reported.
    pub fn fresh(&self) -> Option<&'a ClusterNodeStatus> {
        let pod = self.pod?;
        self.status()
            .filter(|status| status.pod_uid.as_deref() == Some(&pod.uid))
    }

    /// The member id found on its disk by the pod that exists now.
    pub fn reported(&self) -> Option<&'a str> {
        self.fresh()?.member_id.as_deref()
    }

    /// The member id that its wish is for.
    pub fn wished(&self) -> Option<&'a str> {
        self.wish()?.member_id.as_deref()
    }

    /// True when its pod is ready, stays, and is the one that reported.
    pub fn is_alive(&self) -> bool {
        self.pod.is_some_and(|pod| pod.ready && !pod.deleting) && self.fresh().is_some()
    }
}

/// The node that is believed to lead, and what it said.
#[derive(Clone, Debug)]
pub struct Leader<'a> {
    /// Its name.
    pub node: &'a str,
    /// Its member id.
    pub member: &'a str,
    /// What it said.
    pub status: &'a ClusterNodeStatus,
    /// True when nothing contradicts it: the pod that said it exists and stays, its machine is heard of,
    /// and nobody saw a higher term.
    pub fresh: bool,
}

impl Leader<'_> {
    /// True when `member` votes.
    pub fn is_voter(&self, member: &str) -> bool {
        self.status.voters.iter().any(|voter| voter == member)
    }

    /// Everybody who votes but `member`.
    pub fn other_voters<'b>(&'b self, member: &'b str) -> impl Iterator<Item = &'b str> {
        let voters = self.status.voters.iter().map(String::as_str);
        voters.filter(move |voter| *voter != member)
    }

    /// True when `member` votes or learns.
    pub fn is_member(&self, member: &str) -> bool {
        self.is_voter(member) || self.status.learners.iter().any(|learner| learner == member)
    }

    /// True when the leader knows that `member` was removed.
    pub fn has_removed(&self, member: &str) -> bool {
        self.status
            .removed_ids
            .iter()
            .any(|removed| removed == member)
    }

    /// True when the leader has `member` caught up.
    pub fn has_caught_up(&self, member: &str) -> bool {
        member == self.member || self.status.caught_up.iter().any(|other| other == member)
    }

    /// True when the leader reaches `member`.
    pub fn reaches(&self, member: &str) -> bool {
        member == self.member
            || self
                .status
                .peers_reached
                .iter()
                .any(|other| other == member)
    }
}

/// What was observed, arranged.
#[derive(Clone, Debug)]
pub struct View<'a> {
    /// Every node that something is known of, by name in order of zone and ordinal.
    pub nodes: Vec<Node<'a>>,
    /// StatefulSets by zone.
    pub sets: BTreeMap<&'a str, &'a SetSeen>,
    /// The leader that is believed.
    pub leader: Option<Leader<'a>>,
    /// Every cluster id that a disk carries.
    pub cluster_ids: BTreeSet<&'a str>,
    /// Secrets that the spec names and that do not exist.
    pub absent_secrets: &'a [String],
}

impl<'a> View<'a> {
    /// Arranges `observed`. Objects of another owner are left out.
    pub fn new(subject: &Subject, observed: &'a Observed) -> View<'a> {
        let ours = |owner: &Option<String>| owner.as_ref().is_none_or(|uid| *uid == subject.uid);
        let mut by_name: BTreeMap<(&str, u32), Node<'a>> = BTreeMap::new();
        let mut node = |name: &'a str, put: &mut dyn FnMut(&mut Node<'a>)| {
            let Some((zone, ordinal)) = names::zone_and_ordinal(&subject.name, name) else {
                return;
            };
            let empty = Node {
                name,
                zone,
                ordinal,
                seen: None,
                pod: None,
                claim: None,
                refused: None,
            };
            put(by_name.entry((zone, ordinal)).or_insert(empty));
        };
        for seen in observed.nodes.iter().filter(|seen| ours(&seen.owner)) {
            node(&seen.name, &mut |node| node.seen = Some(seen));
        }
        for pod in &observed.pods {
            node(&pod.name, &mut |node| node.pod = Some(pod));
        }
        for claim in &observed.claims {
            if let Some(name) = names::pod_of_volume_claim(&claim.name) {
                node(name, &mut |node| node.claim = Some(claim));
            }
        }
        let mut nodes: Vec<Node<'a>> = by_name.into_values().collect();
        let sets = observed.sets.iter().filter(|set| ours(&set.owner));
        let refused = sets.clone().flat_map(|set| &set.refused);
        for (name, why) in refused {
            let node = nodes.iter_mut().find(|node| node.name == name);
            node.into_iter().for_each(|node| node.refused = Some(why));
        }
        let zone = |set: &'a SetSeen| set.name.strip_prefix(&subject.name)?.strip_prefix('-');
        View {
            leader: believe(&nodes),
            cluster_ids: cluster_ids(&nodes),
            sets: sets.filter_map(|set| Some((zone(set)?, set))).collect(),
            nodes,
            absent_secrets: &observed.absent_secrets,
        }
    }

    /// The node of that place.
    pub fn node(&self, zone: &str, ordinal: u32) -> Option<&Node<'a>> {
        self.nodes
            .iter()
            .find(|node| node.zone == zone && node.ordinal == ordinal)
    }

    /// The node whose disk holds `member`.
    pub fn node_of_member(&self, member: &str) -> Option<&Node<'a>> {
        self.nodes
            .iter()
            .find(|node| node.reported() == Some(member))
    }

    /// The leader, where nothing contradicts it.
    pub fn fresh_leader(&self) -> Option<&Leader<'a>> {
        self.leader.as_ref().filter(|leader| leader.fresh)
    }

    /// The voters, as the latest report of a pod that exists has them.
    pub fn known_voters(&self) -> &'a [String] {
        let reports = self.nodes.iter().filter_map(Node::fresh);
        reports
            .max_by_key(|status| age(status))
            .map_or(&[], |status| &status.voters)
    }

    /// How many of `voters` are alive, caught up and reached by the leader.
    pub fn live_voters<'b>(&self, voters: impl Iterator<Item = &'b str>) -> usize {
        let Some(leader) = self.fresh_leader() else {
            return 0;
        };
        voters
            .filter(|voter| leader.has_caught_up(voter) && leader.reaches(voter))
            .filter(|voter| self.node_of_member(voter).is_some_and(Node::is_alive))
            .count()
    }
}

/// The status with the highest term of the latest incarnation among those that say they lead.
fn believe<'a>(nodes: &[Node<'a>]) -> Option<Leader<'a>> {
    let (node, status) = nodes
        .iter()
        .filter_map(|node| Some((node, node.status()?)))
        .filter(|(_, status)| status.role == Some(Role::Leader) && status.member_id.is_some())
        .max_by_key(|(node, status)| (age(status), node.fresh().is_some()))?;
    let outrun = nodes
        .iter()
        .filter_map(Node::fresh)
        .any(|other| age(other) > age(status));
    Some(Leader {
        node: node.name,
        member: status.member_id.as_deref()?,
        status,
        fresh: node.fresh().is_some()
            && !node.pod.is_some_and(|pod| pod.deleting || pod.silent)
            && !outrun,
    })
}

/// What a report is as recent as: terms of an incarnation that was left behind count for nothing.
fn age(status: &ClusterNodeStatus) -> (i64, i64) {
    (status.incarnation, status.term)
}

fn cluster_ids<'a>(nodes: &[Node<'a>]) -> BTreeSet<&'a str> {
    let reported = nodes
        .iter()
        .filter_map(|node| node.status()?.cluster_id.as_deref());
    let retained = nodes
        .iter()
        .filter_map(|node| node.claim)
        .filter(|claim| !claim.retired)
        .filter_map(|claim| claim.cluster_id.as_deref());
    reported.chain(retained).collect()
}
