//! Everything that a status is told from, and the questions that several of its parts ask.

use super::formation::Formation;
use super::growth;
use super::health::{self, Quorum};
use super::layout::Layout;
use super::outcome::Wait;
use super::reason::Reason;
use super::risk::Risk;
use super::view::{Node, View};
use crate::build::Templates;
use crate::validate::{Problems, Subject, Validated};

/// Everything that a status is told from.
pub struct Outlook<'a> {
    /// The Cluster.
    pub subject: &'a Subject,
    /// Its spec.
    pub spec: Result<&'a Validated, &'a Problems>,
    /// What was observed.
    pub view: &'a View<'a>,
    /// How far it has come into being.
    pub formation: &'a Formation,
    /// Which nodes it should have; empty with a spec that contradicts itself.
    pub layout: &'a Layout,
    /// What is under way.
    pub risk: &'a Risk,
    /// What is waited for.
    pub wait: Option<&'a Wait>,
    /// The pod template of each zone.
    pub templates: &'a Templates,
}

impl<'a> Outlook<'a> {
    /// Names of the nodes that the spec wants; those known, where it contradicts itself.
    pub fn names(&self) -> Vec<String> {
        if self.spec.is_err() {
            let known = self.view.nodes.iter().filter(|node| node.seen.is_some());
            return known.map(|node| node.name.to_owned()).collect();
        }
        let share = |zone: &str| {
            self.layout
                .get(zone)
                .map(|here| here.desired)
                .unwrap_or_default()
        };
        let names = super::layout::node_names(self.subject, self.layout);
        let wanted = |name: &String| {
            let place = crds::names::zone_and_ordinal(&self.subject.name, name);
            place.is_some_and(|(zone, ordinal)| ordinal < share(zone))
        };
        names.into_iter().filter(wanted).collect()
    }

    /// The node of that name.
    pub fn node(&self, name: &str) -> Option<&Node<'a>> {
        self.view.nodes.iter().find(|node| node.name == name)
    }

    /// True when a person fenced the node of that name.
    pub fn is_fenced(&self, name: &str) -> bool {
        self.spec
            .is_ok_and(|validated| validated.fenced.contains(name))
    }

    /// Nodes that should vote and do not yet, or do not exist yet. Those that are fenced only learn.
    pub fn joining(&self) -> Vec<String> {
        let leader = self.view.leader.as_ref();
        let full =
            leader.is_some_and(|leader| leader.status.voters.len() >= super::formation::VOTERS_MAX);
        let joined = |name: &String| {
            let member = self
                .node(name)
                .and_then(|node| node.reported().or(node.wished()));
            let (Some(member), Some(leader)) = (member, leader) else {
                return false;
            };
            leader.is_voter(member) || (full || self.is_fenced(name)) && leader.is_member(member)
        };
        self.names()
            .into_iter()
            .filter(|name| !joined(name))
            .collect()
    }

    /// What a cluster waits for that was formed and takes no writes before all intended voters have joined; nothing once
    /// it takes them.
    pub fn opening(&self) -> Option<String> {
        let leader = self.view.fresh_leader()?;
        (!leader.status.open).then(|| {
            let joining = self.joining().join(", ");
            format!("voters have yet to join before writes are accepted: {joining}")
        })
    }

    /// Why each wanted node that is not ready is not. Those that a person fenced are as they should be.
    pub fn troubles(&self) -> Vec<String> {
        let names = self.names().into_iter();
        let expected = names.filter(|name| !self.is_fenced(name));
        expected
            .filter_map(|name| health::trouble(&name, self.node(&name)))
            .collect()
    }

    /// What a formed cluster waits for while nothing risky is under way; nothing once it is as the spec asks.
    pub fn unfinished(&self) -> Option<Wait> {
        match health::quorum(self.view) {
            Quorum::NoLeader => {
                return Some(Wait::for_(
                    Reason::NoLeader,
                    "nothing goes on without a leader",
                ));
            }
            Quorum::Lost { live, voters } if self.opening().is_none() => {
                return Some(Wait::for_(
                    Reason::QuorumLost,
                    health::shortage(live, voters),
                ));
            }
            Quorum::Lost { .. } | Quorum::Healthy { .. } => {}
        }
        let joining = self.joining();
        if !joining.is_empty() {
            let message = format!("nodes join: {}", joining.join(", "));
            return Some(Wait::for_(Reason::ScalingUp, message));
        }
        if let Some(joining) = self.opening() {
            return Some(Wait::for_(Reason::VotersJoining, joining));
        }
        let growing = growth::growing(self.spec.ok()?, self.view);
        if !growing.is_empty() {
            let message = format!("volumes grow: {}", growing.join(", "));
            return Some(Wait::for_(Reason::GrowingStorage, message));
        }
        let troubles = self.troubles();
        (!troubles.is_empty()).then(|| Wait::for_(Reason::NodesNotReady, troubles.join("; ")))
    }

    /// True when the pod of a node was made from the wanted template.
    pub fn is_current(&self, node: &Node) -> bool {
        let wanted = self.templates.get(node.zone).map(|template| &template.hash);
        node.pod
            .is_some_and(|pod| pod.restart_hash.is_some() && pod.restart_hash.as_ref() == wanted)
    }
}
