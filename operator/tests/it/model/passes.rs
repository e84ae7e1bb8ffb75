//! The operator of the model: one pass, and what it must never do.

use std::collections::BTreeSet;

use crds::{Membership, Role, names};
use operator::plan::{Plan, Step};
use operator::resource::Kind;

use super::world::{CLUSTER, World};

impl World {
    /// One pass; returns how many writes it made.
    pub fn operate(&mut self) -> usize {
        let plan = self.plan();
        self.check_step(&plan);
        self.check_told(&plan);
        let mut writes = 0;
        if plan.create_key {
            writes += 1;
            self.put_object(Kind::Secret, &names::key_secret(CLUSTER), String::new());
        }
        let before = self.wished_votes();
        for wanted in &plan.resources {
            writes += usize::from(self.put(wanted));
        }
        let after = self.wished_votes();
        let lowered: Vec<&String> = before.difference(&after).collect();
        assert!(
            lowered.len() <= 1,
            "{}: one pass takes the votes of {lowered:?}",
            self.seed
        );
        for grow in &plan.grow {
            let mut claims = self.seen.claims.iter_mut();
            let claim = claims.find(|claim| claim.name == grow.claim).unwrap();
            claim.size = Some(grow.size.clone());
            writes += 1;
        }
        for gone in &plan.sweep {
            writes += 1;
            if gone.kind == Kind::ClusterNode {
                let node = self
                    .seen
                    .nodes
                    .iter()
                    .find(|node| node.name == gone.name)
                    .unwrap();
                let member = node.spec.member_id.clone().unwrap_or_default();
                assert!(
                    !self.members.contains_key(&member),
                    "{}: {} is swept as a member",
                    self.seed,
                    gone.name
                );
                assert!(
                    self.pod(&gone.name).is_none(),
                    "{}: {} is swept with its pod",
                    self.seed,
                    gone.name
                );
                self.seen.nodes.retain(|node| node.name != gone.name);
            }
            self.seen
                .objects
                .retain(|object| object.kind != gone.kind || object.name != gone.name);
        }
        match &plan.step {
            Some(Step::Restart { node, .. }) => {
                writes += 1;
                self.seen.pods.retain(|pod| pod.name != *node);
            }
            Some(Step::ReplaceSet { set, .. }) => {
                writes += 1;
                let mut sets = self.seen.sets.iter_mut();
                sets.find(|known| known.name == *set).unwrap().deleting = true;
            }
            _ => {}
        }
        self.status = plan.status.unwrap_or_default();
        writes
    }

    /// Members whose wish is that they vote.
    fn wished_votes(&self) -> BTreeSet<String> {
        let nodes = self.seen.nodes.iter();
        nodes
            .filter(|node| node.spec.membership == Membership::Voter)
            .filter_map(|node| node.spec.member_id.clone())
            .filter(|member| self.members.get(member) == Some(&true))
            .collect()
    }

    /// A pod goes by the operator's hand: nothing that works is lost by it.
    pub fn check_restart(&self, node: &str, pod_uid: &str) {
        let pod = self.pod(node).unwrap();
        assert_eq!(pod.uid, pod_uid, "{}: another pod", self.seed);
        let member = &self.disks[&names::volume_claim(node)].member;
        let votes = self.members.get(member) == Some(&true);
        if !votes || !self.runs(member) {
            return;
        }
        let voters = self.members.values().filter(|votes| **votes).count();
        let others = || {
            self.members
                .iter()
                .filter(|(id, votes)| **votes && *id != member)
        };
        let live = others().filter(|(id, _)| self.runs(id)).count();
        // A leader that has yet to say so is not known: pods that are not ready go one by one meanwhile.
        let led = self
            .leader
            .as_ref()
            .is_some_and(|leader| self.is_told(leader));
        assert!(
            live * 2 > voters || voters <= 2 && live + 1 == voters || !led,
            "{}: replacing {node} loses the majority: {live} of {voters} stay",
            self.seed
        );
        assert!(
            voters == 1 || !led || self.leader.as_ref() != Some(member),
            "{}: {node} goes while it leads",
            self.seed
        );
    }

    /// Everything is as asked, or a step is taken, or what is waited for has a reason.
    fn check_told(&self, plan: &Plan) {
        if self.paused || plan.step.is_some() || plan.wait.is_some() {
            return;
        }
        for (type_, wanted) in [("Ready", true), ("UpToDate", true), ("Progressing", false)] {
            let mut all = plan.conditions.iter();
            let told = all.find(|told| told.type_.to_string() == type_).unwrap();
            assert_eq!(
                told.holds,
                Some(wanted),
                "{}: nothing is waited for: {told:?}",
                self.seed
            );
        }
        let wanted = plan.resources.iter();
        let nodes = wanted.filter(|wanted| wanted.kind == Kind::ClusterNode);
        let asked = usize::try_from(self.replicas).unwrap();
        assert_eq!(nodes.count(), asked, "{}: nodes", self.seed);
    }

    pub fn check_step(&self, plan: &Plan) {
        match &plan.step {
            None => {}
            Some(Step::Bootstrap { .. }) => {
                assert_eq!(self.formed, None, "{}: formed twice", self.seed)
            }
            Some(Step::Remove { member, .. }) => {
                let keeps = member
                    .as_ref()
                    .is_none_or(|id| self.has_majority_without(id));
                assert!(
                    keeps,
                    "{}: removing {member:?} loses the majority",
                    self.seed
                );
            }
            Some(Step::TakeVote { member, .. }) => assert!(
                self.has_majority_without(member),
                "{}: fencing {member} loses the majority",
                self.seed
            ),
            Some(Step::Restart { node, pod_uid, .. }) => self.check_restart(node, pod_uid),
            Some(Step::ReplaceSet { set, .. }) => {
                let mut sets = self.seen.sets.iter();
                assert!(!sets.find(|known| known.name == *set).unwrap().deleting);
            }
            Some(Step::Recover { member, .. }) => {
                // What has yet to be reported is not known here: the node itself asks the others before it obeys.
                let led = self.leader.as_ref();
                let led = led.is_some_and(|leader| self.is_told(leader));
                let voters = || self.members.iter().filter(|(_, votes)| **votes);
                let ready = voters().filter(|(id, _)| self.is_ready(id)).count();
                assert!(
                    !led || ready * 2 <= voters().count(),
                    "{}: {member} is to begin anew while another leads",
                    self.seed
                );
                assert!(self.recover_from.is_some(), "{}: unasked", self.seed);
            }
            Some(Step::Shrink {
                node,
                zone,
                replicas,
            }) => {
                assert_eq!(*node, names::pod(CLUSTER, zone, *replicas));
                let claim = names::volume_claim(node);
                let member = self
                    .disks
                    .get(&claim)
                    .map(|disk| disk.member.clone())
                    .unwrap_or_default();
                assert!(
                    !self.members.contains_key(&member),
                    "{}: {node} goes as a member",
                    self.seed
                );
            }
        }
    }

    fn is_ready(&self, member: &str) -> bool {
        let mut pods = self.seen.pods.iter().filter(|pod| pod.ready);
        pods.any(|pod| {
            let disk = self.disks.get(&names::volume_claim(&pod.name));
            disk.is_some_and(|disk| disk.member == member)
        })
    }

    /// True when the pod that runs `leader` has reported that it leads.
    fn is_told(&self, leader: &str) -> bool {
        let mut nodes = self.seen.nodes.iter();
        nodes.any(|node| {
            let pod = self.pod(&node.name);
            node.status.as_ref().is_some_and(|status| {
                status.role == Some(Role::Leader)
                    && status.member_id.as_deref() == Some(leader)
                    && status.pod_uid.as_ref() == pod.map(|pod| &pod.uid)
            })
        })
    }

    pub fn has_majority_without(&self, member: &str) -> bool {
        let rest = || {
            let voters = self.members.iter().filter(|(_, votes)| **votes);
            voters.filter(|(id, _)| *id != member)
        };
        let live = rest().filter(|(id, _)| self.runs(id)).count();
        live * 2 > rest().count()
    }
}
