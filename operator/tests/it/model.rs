//! Plans against a model of the world (an API server's content, pods, disks, one Raft group) that moves by chance:
//! people scale, leaders change, disks are lost, the operator is asked at any moment. Whatever happens, the cluster
//! is formed once, never loses its majority by the operator's hand, and ends as asked.

use std::collections::{BTreeMap, BTreeSet};

use crds::{
    Cluster, ClusterNodeSpec, ClusterNodeStatus, DiskClass, DiskStatus, Membership, Role, labels,
    names,
};
use operator::observe::{ClaimSeen, NodeSeen, ObjectSeen, Observed, OwnerSeen, PodSeen, SetSeen};
use operator::plan::{Plan, Step, plan};
use operator::resource::{Kind, Resource};
use operator::validate::{Subject, validate};
use serde_json::json;

const CLUSTER: &str = "demo";
const UID: &str = "cluster-uid";
const WALKS: u64 = 300;
const MOVES: usize = 80;
const ROUNDS_TO_SETTLE: usize = 400;

#[test]
fn whatever_happens_the_cluster_ends_as_asked_and_never_loses_its_majority() {
    for seed in 0..WALKS {
        let mut world = World::new(seed, 3);
        if seed % 2 == 1 {
            world.zones = vec!["a", "b", "c"];
        }
        for _ in 0..MOVES {
            world.something_happens();
        }
        world.settle();
    }
}

#[test]
fn there_and_back_renders_what_was_there() {
    for (there, zones) in [(5, vec![]), (1, vec![]), (7, vec!["a", "b", "c"])] {
        let mut world = World::new(7, 3);
        world.zones = zones;
        world.settle();
        let before = world.rendered();
        world.replicas = there;
        world.settle();
        assert_ne!(before, world.rendered());
        world.replicas = 3;
        world.settle();
        assert_eq!(before, world.rendered());
    }
}

struct Disk {
    member: String,
    cluster: Option<String>,
}

struct World {
    seed: u64,
    chance: u64,
    drawn: u64,
    replicas: i32,
    zones: Vec<&'static str>,
    status: crds::ClusterStatus,
    seen: Observed,
    disks: BTreeMap<String, Disk>,
    members: BTreeMap<String, bool>,
    removed: BTreeSet<String>,
    leader: Option<String>,
    term: i64,
    formed: Option<String>,
    intended: usize,
    open: bool,
}

impl World {
    fn new(seed: u64, replicas: i32) -> World {
        World {
            seed,
            chance: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1,
            drawn: 0,
            replicas,
            zones: Vec::new(),
            status: crds::ClusterStatus::default(),
            seen: Observed::default(),
            disks: BTreeMap::new(),
            members: BTreeMap::new(),
            removed: BTreeSet::new(),
            leader: None,
            term: 0,
            formed: None,
            intended: 0,
            open: false,
        }
    }

    fn chance(&mut self, of: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % of
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    fn cluster(&self) -> Cluster {
        let zones: Vec<_> = self
            .zones
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        serde_json::from_value(json!({
            "apiVersion": "kluster.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": CLUSTER, "namespace": "default", "uid": UID, "generation": 1 },
            "spec": { "image": "kluster-node:1", "replicas": self.replicas, "zones": zones, "storage": { "size": "1Gi" } },
            "status": self.status,
        }))
        .unwrap()
    }

    fn plan(&self) -> Plan {
        let cluster = self.cluster();
        plan(&Subject::of(&cluster), &validate(&cluster), &self.seen)
    }

    // ---- the operator

    /// One pass; returns how many writes it made.
    fn operate(&mut self) -> usize {
        let plan = self.plan();
        self.check_step(&plan);
        let mut writes = 0;
        if plan.create_key {
            writes += 1;
            self.put_object(Kind::Secret, &names::key_secret(CLUSTER), String::new());
        }
        for wanted in &plan.resources {
            writes += usize::from(self.put(wanted));
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
        self.status = plan.status.unwrap_or_default();
        writes
    }

    fn check_step(&self, plan: &Plan) {
        match &plan.step {
            None => {}
            Some(Step::Bootstrap { .. }) => {
                assert_eq!(self.formed, None, "{}: formed twice", self.seed)
            }
            Some(Step::Remove { member, .. }) => {
                let rest = || {
                    self.members
                        .iter()
                        .filter(|(id, votes)| **votes && *id != member)
                };
                let live = rest().filter(|(id, _)| self.runs(id)).count();
                assert!(
                    live * 2 > rest().count(),
                    "{}: removing {member} loses the majority",
                    self.seed
                );
            }
            Some(Step::Shrink { zone, replicas }) => {
                let name = names::pod(CLUSTER, zone, *replicas);
                let claim = names::volume_claim(&name);
                let member = self
                    .disks
                    .get(&claim)
                    .map(|disk| disk.member.clone())
                    .unwrap_or_default();
                assert!(
                    !self.members.contains_key(&member),
                    "{}: {name} goes as a member",
                    self.seed
                );
            }
        }
    }

    fn put(&mut self, wanted: &Resource) -> bool {
        let object = &wanted.object;
        match wanted.kind {
            Kind::ClusterNode => {
                let spec: ClusterNodeSpec = serde_json::from_value(object["spec"].clone()).unwrap();
                match self
                    .seen
                    .nodes
                    .iter_mut()
                    .find(|node| node.name == wanted.name)
                {
                    Some(node) => {
                        assert!(
                            spec.epoch >= node.spec.epoch,
                            "{}: an epoch falls",
                            self.seed
                        );
                        node.spec = spec;
                    }
                    None => self.seen.nodes.push(NodeSeen {
                        name: wanted.name.clone(),
                        owner: Some(UID.into()),
                        spec,
                        status: None,
                    }),
                }
            }
            Kind::StatefulSet => {
                let replicas = u32::try_from(object["spec"]["replicas"].as_i64().unwrap()).unwrap();
                self.seen.sets.retain(|set| set.name != wanted.name);
                let set = SetSeen {
                    name: wanted.name.clone(),
                    owner: Some(UID.into()),
                    replicas,
                    size: Some("1Gi".into()),
                };
                self.seen.sets.push(set);
            }
            Kind::PersistentVolumeClaim => {
                let claim = self
                    .seen
                    .claims
                    .iter_mut()
                    .find(|claim| claim.name == wanted.name)
                    .unwrap();
                let says = |key: &str| {
                    object["metadata"]["annotations"][key]
                        .as_str()
                        .map(str::to_owned)
                };
                claim.cluster_id = says(labels::CLUSTER_ID);
                claim.member_id = says(labels::MEMBER_ID);
                claim.epoch = says(labels::EPOCH).map(|epoch| epoch.parse().unwrap());
                claim.retired = says(labels::RETIRED).is_some();
                let differs = claim.hash.as_ref() != Some(&wanted.hash);
                claim.hash = Some(wanted.hash.clone());
                return differs;
            }
            _ => {}
        }
        self.put_object(wanted.kind, &wanted.name, wanted.hash.clone())
    }

    fn put_object(&mut self, kind: Kind, name: &str, hash: String) -> bool {
        let known = self
            .seen
            .objects
            .iter_mut()
            .find(|object| object.kind == kind && object.name == name);
        if let Some(known) = known {
            let differs = known.hash.as_ref() != Some(&hash);
            known.hash = Some(hash);
            return differs;
        }
        self.seen.objects.push(ObjectSeen {
            kind,
            name: name.to_owned(),
            uid: format!("{kind:?}-{name}"),
            owner: Some(OwnerSeen {
                kind: "Cluster".into(),
                name: CLUSTER.into(),
                uid: UID.into(),
            }),
            labelled: true,
            hash: Some(hash),
            live: serde_json::Value::Null,
        });
        true
    }

    fn rendered(&self) -> Vec<(Kind, String, String)> {
        let about_the_past = |kind| matches!(kind, Kind::ClusterNode | Kind::PersistentVolumeClaim);
        let wanted = self
            .plan()
            .resources
            .into_iter()
            .filter(|wanted| !about_the_past(wanted.kind));
        wanted
            .map(|wanted| (wanted.kind, wanted.name, wanted.hash))
            .collect()
    }

    // ---- the world

    fn pod(&self, name: &str) -> Option<&PodSeen> {
        self.seen.pods.iter().find(|pod| pod.name == name)
    }

    fn runs(&self, member: &str) -> bool {
        let of = |(claim, disk): (&String, &Disk)| {
            disk.member == member
                && names::pod_of_volume_claim(claim).is_some_and(|pod| self.pod(pod).is_some())
        };
        self.disks.iter().any(of)
    }

    fn something_happens(&mut self) {
        match self.chance(20) {
            0 => self.replicas = i32::try_from(self.chance(9)).unwrap() + 1,
            1 => self.lose_a_disk(),
            2 => self.elect(),
            3 => self.restart_a_pod(),
            4..=9 => drop(self.operate()),
            10..=12 => self.kubernetes(),
            13..=15 => self.agents_report(),
            _ => self.leader_obeys(),
        }
    }

    /// The StatefulSet controller and the kubelets.
    fn kubernetes(&mut self) {
        for set in self.seen.sets.clone() {
            let zone = set.name.strip_prefix("demo-").unwrap().to_owned();
            for ordinal in 0..32 {
                let name = names::pod(CLUSTER, &zone, ordinal);
                let (wanted, there) = (ordinal < set.replicas, self.pod(&name).is_some());
                if wanted && !there {
                    self.start(&name);
                }
                if !wanted && there {
                    let disk = self
                        .disks
                        .get(&names::volume_claim(&name))
                        .map(|disk| disk.member.clone());
                    let member = disk.unwrap_or_default();
                    assert!(
                        !self.members.contains_key(&member),
                        "{}: {name} is taken away as a member",
                        self.seed
                    );
                    self.seen.pods.retain(|pod| pod.name != name);
                }
            }
        }
        let lead = self.leader.clone().is_some_and(|leader| self.runs(&leader));
        if !lead {
            self.elect();
        }
    }

    fn start(&mut self, name: &str) {
        let claim = names::volume_claim(name);
        if !self.seen.claims.iter().any(|known| known.name == claim) {
            let uid = format!("claim-{}", self.draw());
            let size = Some("1Gi".to_owned());
            self.seen.claims.push(ClaimSeen {
                name: claim.clone(),
                uid,
                bound: true,
                size,
                ..ClaimSeen::default()
            });
            self.disks.remove(&claim);
        }
        let set_aside = self
            .disks
            .get(&claim)
            .is_none_or(|disk| self.removed.contains(&disk.member));
        if set_aside {
            let member = format!("{:016x}", self.draw());
            self.disks.insert(
                claim,
                Disk {
                    member,
                    cluster: None,
                },
            );
        }
        let uid = format!("pod-{}", self.draw());
        let pod = PodSeen {
            name: name.to_owned(),
            uid,
            ..PodSeen::default()
        };
        self.seen.pods.push(pod);
    }

    fn restart_a_pod(&mut self) {
        if self.seen.pods.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance(self.seen.pods.len() as u64)).unwrap();
        let name = self.seen.pods.remove(index).name;
        if self.chance(2) == 0 {
            self.start(&name);
        }
    }

    /// A volume is lost with its claim, while all else is well.
    fn lose_a_disk(&mut self) {
        let well = self.open
            && self
                .members
                .iter()
                .all(|(id, votes)| *votes && self.runs(id));
        if !well || self.members.len() < 3 {
            return;
        }
        let index = usize::try_from(self.chance(self.seen.pods.len() as u64)).unwrap();
        let name = self.seen.pods[index].name.clone();
        let claim = names::volume_claim(&name);
        let lost = self.disks.remove(&claim).unwrap().member;
        self.seen.claims.retain(|known| known.name != claim);
        self.seen.pods.remove(index);
        if self.leader.as_ref() == Some(&lost) {
            self.elect();
        }
        self.start(&name);
    }

    /// A majority elects one of its own.
    fn elect(&mut self) {
        let voters: Vec<String> = self
            .members
            .iter()
            .filter(|(_, votes)| **votes)
            .map(|(id, _)| id.clone())
            .collect();
        let live: Vec<String> = voters.iter().filter(|id| self.runs(id)).cloned().collect();
        self.leader = None;
        if live.len() * 2 > voters.len() {
            let avoided = |id: &String| {
                let wish = self
                    .seen
                    .nodes
                    .iter()
                    .find(|node| node.spec.member_id.as_ref() == Some(id));
                wish.is_some_and(|node| node.spec.leadership == crds::Leadership::Avoid)
            };
            let willing: Vec<String> = live.iter().filter(|id| !avoided(id)).cloned().collect();
            let from = if willing.is_empty() { live } else { willing };
            let index = usize::try_from(self.chance(from.len() as u64)).unwrap();
            self.leader = Some(from[index].clone());
            self.term += 1;
        }
    }

    /// Every agent whose pod runs says what it sees.
    fn agents_report(&mut self) {
        let ids = |votes: bool| -> Vec<String> {
            self.members
                .iter()
                .filter(|(_, v)| **v == votes)
                .map(|(id, _)| id.clone())
                .collect()
        };
        let (voters, learners) = (ids(true), ids(false));
        let live: Vec<String> = self
            .members
            .keys()
            .filter(|id| self.runs(id))
            .cloned()
            .collect();
        let mut ready = BTreeMap::new();
        for node in &mut self.seen.nodes {
            let Some(pod) = self.seen.pods.iter().find(|pod| pod.name == node.name) else {
                continue;
            };
            let Some(disk) = self.disks.get(&names::volume_claim(&node.name)) else {
                continue;
            };
            let leads = self.leader.as_ref() == Some(&disk.member);
            let member = self.members.get(&disk.member);
            ready.insert(node.name.clone(), member.is_some());
            node.status = Some(ClusterNodeStatus {
                member_id: Some(disk.member.clone()),
                cluster_id: disk.cluster.clone(),
                pod_uid: Some(pod.uid.clone()),
                role: Some(match (leads, member) {
                    (true, _) => Role::Leader,
                    (_, Some(true)) => Role::Follower,
                    (_, Some(false)) => Role::Learner,
                    (_, None) => Role::Waiting,
                }),
                term: if member.is_some() { self.term } else { 0 },
                voters: if leads { voters.clone() } else { Vec::new() },
                learners: if leads { learners.clone() } else { Vec::new() },
                removed_ids: if leads {
                    self.removed.iter().cloned().collect()
                } else {
                    Vec::new()
                },
                caught_up: if leads { live.clone() } else { Vec::new() },
                peers_reached: if leads { live.clone() } else { Vec::new() },
                ready: member.is_some(),
                open: self.open && member.is_some(),
                disk: Some(DiskStatus {
                    total_bytes: None,
                    used_percent: 5,
                    class: DiskClass::Ok,
                }),
                operation_id: node.spec.operation_id.clone().filter(|_| leads),
                ..ClusterNodeStatus::default()
            });
        }
        for pod in &mut self.seen.pods {
            pod.ready = ready.get(&pod.name).copied().unwrap_or_default();
        }
    }

    /// The node that is told to forms the cluster; the leader carries one wish out.
    fn leader_obeys(&mut self) {
        if self.formed.is_none() {
            return self.form();
        }
        let Some(leader) = self.leader.clone().filter(|leader| self.runs(leader)) else {
            return;
        };
        let wishes: Vec<ClusterNodeSpec> = self
            .seen
            .nodes
            .iter()
            .map(|node| node.spec.clone())
            .collect();
        for wish in wishes {
            let Some(member) = wish.member_id else {
                continue;
            };
            if wish.leadership == crds::Leadership::Avoid && member == leader {
                return self.elect();
            }
            let now = self.members.get(&member).copied();
            match (wish.membership, now) {
                (Membership::Removed, Some(votes)) if member != leader => {
                    let rest = || self.members.iter().filter(|(id, v)| **v && **id != member);
                    let live = rest().filter(|(id, _)| self.runs(id)).count();
                    if votes && live * 2 <= rest().count() {
                        continue;
                    }
                    self.members.remove(&member);
                    self.removed.insert(member);
                    return;
                }
                (Membership::Learner, None)
                    if self.runs(&member) && !self.removed.contains(&member) =>
                {
                    self.join(member, false);
                    return;
                }
                (Membership::Learner, Some(true)) => {
                    panic!("{}: {member} is to lose its vote", self.seed)
                }
                (Membership::Voter, Some(false)) if self.runs(&member) => {
                    self.join(member, true);
                    let voters = self.members.values().filter(|votes| **votes).count();
                    assert!(voters <= 7, "{}: {voters} voters", self.seed);
                    self.open |= voters >= self.intended;
                    return;
                }
                _ => {}
            }
        }
    }

    fn join(&mut self, member: String, votes: bool) {
        let disk = self
            .disks
            .values_mut()
            .find(|disk| disk.member == member)
            .unwrap();
        disk.cluster.clone_from(&self.formed);
        self.members.insert(member, votes);
    }

    fn form(&mut self) {
        let told: Vec<_> = self
            .seen
            .nodes
            .iter()
            .filter_map(|node| Some((node, node.spec.bootstrap.clone()?)))
            .collect();
        assert!(
            told.len() <= 1,
            "{}: {} nodes are told to form",
            self.seed,
            told.len()
        );
        let Some((node, bootstrap)) = told.into_iter().next() else {
            return;
        };
        let obeys = self
            .disks
            .get(&names::volume_claim(&node.name))
            .is_some_and(|disk| disk.member == bootstrap.member_id);
        if !obeys || self.pod(&node.name).is_none() {
            return;
        }
        self.formed = Some("c1".repeat(16));
        self.intended = usize::try_from(bootstrap.voters).unwrap();
        self.leader = Some(bootstrap.member_id.clone());
        self.term = 1;
        self.join(bootstrap.member_id, true);
        self.open = self.intended == 1;
    }

    /// Nothing unexpected happens any more: everything comes to rest, as asked.
    fn settle(&mut self) {
        let mut idle = 0;
        for _ in 0..ROUNDS_TO_SETTLE {
            idle = if self.operate() == 0 { idle + 1 } else { 0 };
            self.kubernetes();
            self.agents_report();
            for _ in 0..4 {
                self.leader_obeys();
            }
            self.agents_report();
            let plan = self.plan();
            let under_way = plan
                .status
                .as_ref()
                .is_some_and(|status| status.operation.is_some());
            if idle > 1 && plan.step.is_none() && plan.wait.is_none() && !under_way {
                return self.check_settled(&plan);
            }
        }
        let plan = self.plan();
        let nodes: Vec<_> = self
            .seen
            .nodes
            .iter()
            .map(|node| (&node.name, &node.spec, &node.status))
            .collect();
        panic!(
            "{}: never comes to rest: wants {}, waits {:?}, step {:?}, members {:?}, removed {:?}, sets {:?}, claims {:?}, pods {:?}, nodes {nodes:#?}",
            self.seed,
            self.replicas,
            plan.wait,
            plan.step,
            self.members,
            self.removed,
            self.seen.sets,
            self.seen.claims,
            self.seen.pods,
        );
    }

    fn check_settled(&self, plan: &Plan) {
        let wanted = usize::try_from(self.replicas).unwrap();
        assert_eq!(self.members.len(), wanted, "{}: members", self.seed);
        let voters = self.members.values().filter(|votes| **votes).count();
        assert_eq!(voters, wanted.min(7), "{}: voters", self.seed);
        assert_eq!(self.seen.pods.len(), wanted, "{}: pods", self.seed);
        assert_eq!(self.seen.nodes.len(), wanted, "{}: ClusterNodes", self.seed);
        let retired = self
            .seen
            .claims
            .iter()
            .filter(|claim| claim.retired)
            .count();
        assert_eq!(
            self.seen.claims.len() - retired,
            wanted,
            "{}: volumes in use",
            self.seed
        );
        let ready = plan
            .conditions
            .iter()
            .find(|told| told.type_.to_string() == "Ready")
            .unwrap();
        assert_eq!(ready.holds, Some(true), "{}: {ready:?}", self.seed);
    }
}
