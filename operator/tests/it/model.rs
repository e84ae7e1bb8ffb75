//! Plans against a model of the world (an API server's content, pods, disks, one Raft group) that moves by chance:
//! people scale, fence, grow and change images (to one that does not start, too), leaders change, disks are lost, the
//! operator is asked at any moment. Whatever happens, the cluster is formed once, never loses its majority by the
//! operator's hand, and ends as asked.

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

#[test]
fn a_bad_image_takes_one_pod_down_and_never_wedges_the_way_back() {
    let mut world = World::new(3, 3);
    world.settle();
    world.image = BAD_IMAGE;
    for _ in 0..ROUNDS_TO_SETTLE {
        world.round();
    }
    let broken = |world: &World| {
        let pods = world.seen.pods.iter();
        pods.filter(|pod| pod.trouble.is_some()).count()
    };
    assert_eq!(broken(&world), 1);
    let told = world.plan().wait.unwrap();
    assert_eq!(told.reason.to_string(), "RollBlocked", "{told:?}");
    world.image = "kluster:2";
    world.settle();
    assert_eq!(broken(&world), 0);

    // Even of a cluster that never came into being.
    let mut world = World::new(4, 3);
    world.image = BAD_IMAGE;
    for _ in 0..20 {
        world.round();
    }
    assert_eq!(broken(&world), 3);
    world.image = "kluster:2";
    world.settle();
}

#[test]
fn a_fenced_node_gives_up_its_vote_and_comes_back_but_the_last_majority_stays() {
    let mut world = World::new(5, 3);
    world.settle();
    world.fence("demo-default-0");
    for _ in 0..40 {
        world.round();
    }
    let voters = |world: &World| world.members.values().filter(|votes| **votes).count();
    assert_eq!((voters(&world), world.members.len()), (2, 3));
    let node = &world.seen.nodes[0];
    assert!(node.spec.fenced && node.spec.membership == Membership::Learner);
    let plan = world.plan();
    let told = |type_: &str| {
        let mut all = plan.conditions.iter();
        all.find(|told| told.type_.to_string() == type_).unwrap()
    };
    assert_eq!(told("Degraded").reason.to_string(), "NodesFenced");
    assert_eq!(told("Ready").holds, Some(true));
    for name in ["demo-default-1", "demo-default-2"] {
        world.fence(name);
    }
    for _ in 0..80 {
        world.round();
    }
    assert_eq!(voters(&world), 1);
    let told = world.plan().wait.unwrap();
    assert_eq!(told.reason.to_string(), "FenceWouldLoseQuorum", "{told:?}");
    world.settle();
}

#[test]
fn after_a_lost_majority_nothing_happens_until_a_person_names_the_survivor() {
    let mut world = World::new(6, 3);
    world.settle();
    let survivor = world.disks[&names::volume_claim("demo-default-0")]
        .member
        .clone();
    for name in ["demo-default-1", "demo-default-2"] {
        world.lose_disk_of(name);
    }
    for _ in 0..40 {
        world.round();
    }
    assert_eq!(world.members.len(), 3, "nobody begins anew unasked");
    let wish = |position: &str| crds::RecoverFrom {
        member_id: survivor.clone(),
        position: position.to_owned(),
        acknowledge_loss: true,
    };
    world.recover_from = Some(wish("0.0.5"));
    world.settle();
    let obeyed = world.status.recovery.clone().unwrap();
    assert_eq!((obeyed.incarnation, obeyed.refusal), (1, None));
    assert!(
        world
            .seen
            .nodes
            .iter()
            .all(|node| node.spec.recover.is_none())
    );

    // While all is well another wish is used up without effect, also for later.
    world.recover_from = Some(wish("0.1.9"));
    world.settle();
    assert!(world.status.recovery.clone().unwrap().refusal.is_some());
    for name in ["demo-default-1", "demo-default-2"] {
        world.lose_disk_of(name);
    }
    for _ in 0..40 {
        world.round();
    }
    assert_eq!(world.members.len(), 3);
}

const BAD_IMAGE: &str = "kluster:bad";

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
    incarnation: i64,
    image: &'static str,
    size: &'static str,
    fenced: BTreeSet<String>,
    recover_from: Option<crds::RecoverFrom>,
    /// Hash of the template of each StatefulSet, before Kubernetes has taken it.
    templates: BTreeMap<String, String>,
    /// Hashes of templates that do not start.
    bad: BTreeSet<String>,
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
            incarnation: 0,
            image: "kluster:1",
            size: "1Gi",
            fenced: BTreeSet::new(),
            recover_from: None,
            templates: BTreeMap::new(),
            bad: BTreeSet::new(),
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
            "spec": {
                "image": self.image, "replicas": self.replicas, "zones": zones, "storage": { "size": self.size },
                "operations": { "fencedNodes": self.fenced, "recoverFrom": self.recover_from },
            },
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

    /// A pod goes by the operator's hand: nothing that works is lost by it.
    fn check_restart(&self, node: &str, pod_uid: &str) {
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
        let led = self.leader.as_ref().is_some_and(|leader| self.runs(leader));
        assert!(
            live * 2 > voters || voters <= 2 && live + 1 == voters || !led,
            "{}: replacing {node} loses the majority: {live} of {voters} stay",
            self.seed
        );
        assert!(
            voters == 1 || self.leader.as_ref() != Some(member),
            "{}: {node} goes while it leads",
            self.seed
        );
    }

    fn check_step(&self, plan: &Plan) {
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
                assert!(
                    self.leader.is_none() && self.recover_from.is_some(),
                    "{}: {member} begins anew while a majority is live",
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

    fn has_majority_without(&self, member: &str) -> bool {
        let rest = || {
            let voters = self.members.iter().filter(|(_, votes)| **votes);
            voters.filter(|(id, _)| *id != member)
        };
        let live = rest().filter(|(id, _)| self.runs(id)).count();
        live * 2 > rest().count()
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
                self.put_set(&wanted.name, &object["spec"]);
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

    fn put_set(&mut self, name: &str, spec: &serde_json::Value) {
        let template = &spec["template"];
        let hash = template["metadata"]["annotations"][labels::RESTART_HASH]
            .as_str()
            .unwrap()
            .to_owned();
        if template["spec"]["containers"][0]["image"] == BAD_IMAGE {
            self.bad.insert(hash.clone());
        }
        let size = &spec["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"];
        let before = self.seen.sets.iter().position(|set| set.name == name);
        let before = before.map(|index| self.seen.sets.remove(index));
        if let Some(before) = &before {
            assert!(
                !before.deleting,
                "{}: {name} is written on its way out",
                self.seed
            );
            assert_eq!(
                before.size.as_deref(),
                size.as_str(),
                "a claim template cannot change"
            );
        }
        let uid = format!("set-{}", self.draw());
        let same = self.templates.insert(name.to_owned(), hash.clone()) == Some(hash);
        let set = SetSeen {
            name: name.to_owned(),
            owner: Some(UID.into()),
            replicas: u32::try_from(spec["replicas"].as_i64().unwrap()).unwrap(),
            size: size.as_str().map(str::to_owned),
            uid: before.as_ref().map_or(uid, |before| before.uid.clone()),
            deleting: false,
            restart_hash: before
                .filter(|_| same)
                .and_then(|before| before.restart_hash),
        };
        self.seen.sets.push(set);
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
            let pod = names::pod_of_volume_claim(claim).and_then(|pod| self.pod(pod));
            disk.member == member && pod.is_some_and(|pod| pod.trouble.is_none())
        };
        self.disks.iter().any(of)
    }

    fn something_happens(&mut self) {
        match self.chance(26) {
            20 => {
                self.image =
                    ["kluster:1", "kluster:2", BAD_IMAGE][usize::try_from(self.chance(3)).unwrap()]
            }
            21 => self.size = if self.size == "1Gi" { "2Gi" } else { "3Gi" },
            22 => {
                let ordinal = self.chance(4);
                let zone = self.zones.first().copied().unwrap_or("default");
                self.fence(&format!("{CLUSTER}-{zone}-{ordinal}"));
            }
            23 => self.fenced.clear(),
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
        let going: Vec<SetSeen> = self.seen.sets.extract_if(.., |set| set.deleting).collect();
        for set in going {
            self.templates.remove(&set.name);
            self.seen
                .objects
                .retain(|object| object.kind != Kind::StatefulSet || object.name != set.name);
        }
        for set in &mut self.seen.sets {
            set.restart_hash = self.templates.get(&set.name).cloned();
        }
        for claim in &mut self.seen.claims {
            claim.capacity.clone_from(&claim.size);
        }
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
            let size = self.set_of(name).and_then(|set| set.size.clone());
            self.seen.claims.push(ClaimSeen {
                name: claim.clone(),
                uid,
                bound: true,
                capacity: size.clone(),
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
        let restart_hash = self.set_of(name).and_then(|set| set.restart_hash.clone());
        let is_bad = restart_hash
            .as_ref()
            .is_some_and(|hash| self.bad.contains(hash));
        let pod = PodSeen {
            name: name.to_owned(),
            uid,
            restart_hash,
            trouble: is_bad.then(|| "container node waits: ImagePullBackOff".to_owned()),
            ..PodSeen::default()
        };
        self.seen.pods.push(pod);
    }

    fn set_of(&self, pod: &str) -> Option<&SetSeen> {
        let (zone, _) = names::zone_and_ordinal(CLUSTER, pod)?;
        let name = names::stateful_set(CLUSTER, zone);
        self.seen.sets.iter().find(|set| set.name == name)
    }

    fn fence(&mut self, name: &str) {
        self.fenced.insert(name.to_owned());
    }

    fn restart_a_pod(&mut self) {
        if self.seen.pods.is_empty() {
            return;
        }
        let index = usize::try_from(self.chance(self.seen.pods.len() as u64)).unwrap();
        let name = self.seen.pods.remove(index).name;
        let lives = self.set_of(&name).is_some_and(|set| !set.deleting);
        if self.chance(2) == 0 && lives {
            self.start(&name);
        }
    }

    /// A disk and its pod are gone; Kubernetes makes both anew.
    fn lose_disk_of(&mut self, name: &str) {
        let claim = names::volume_claim(name);
        self.disks.remove(&claim);
        self.seen.claims.retain(|known| known.name != claim);
        self.seen.pods.retain(|pod| pod.name != name);
        self.elect();
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
            if pod.trouble.is_some() {
                continue;
            }
            let leads = self.leader.as_ref() == Some(&disk.member);
            let member = self.members.get(&disk.member);
            let serves = member.is_some() && !node.spec.fenced;
            ready.insert(node.name.clone(), serves);
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
                ready: serves,
                fenced: node.spec.fenced,
                incarnation: member.map_or(0, |_| self.incarnation),
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
        if self.leader.is_none() {
            self.recover();
        }
        let Some(leader) = self.leader.clone().filter(|leader| self.runs(leader)) else {
            return;
        };
        let wishes = self.seen.nodes.iter().map(|node| node.spec.clone());
        for wish in wishes.collect::<Vec<ClusterNodeSpec>>() {
            let Some(member) = wish.member_id else {
                continue;
            };
            if wish.leadership == crds::Leadership::Avoid && member == leader {
                return self.elect();
            }
            let now = self.members.get(&member).copied();
            match (wish.membership, now) {
                (Membership::Removed, Some(votes)) if member != leader => {
                    if votes && !self.has_majority_without(&member) {
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
                (Membership::Learner, Some(true)) if member == leader => {}
                (Membership::Learner, Some(true)) => {
                    if !self.has_majority_without(&member) {
                        continue;
                    }
                    self.members.insert(member, false);
                    return;
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

    /// The survivor that is told to begins anew, and the others are members no more.
    fn recover(&mut self) {
        let told = self
            .seen
            .nodes
            .iter()
            .find_map(|node| node.spec.recover.clone());
        let Some(survivor) = told.map(|told| told.member_id) else {
            return;
        };
        if !self.runs(&survivor) {
            return;
        }
        let others = self.members.keys().filter(|id| **id != survivor).cloned();
        self.removed.extend(others.collect::<Vec<_>>());
        self.members = BTreeMap::from([(survivor.clone(), true)]);
        self.leader = Some(survivor);
        self.incarnation += 1;
        self.term += 1;
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

    /// Everybody does their part once; returns how many writes the operator made.
    fn round(&mut self) -> usize {
        let writes = self.operate();
        self.kubernetes();
        self.agents_report();
        for _ in 0..4 {
            self.leader_obeys();
        }
        self.agents_report();
        writes
    }

    /// Nothing unexpected happens any more: everything comes to rest, as asked.
    fn settle(&mut self) {
        let mut idle = 0;
        self.fenced.clear();
        if self.image == BAD_IMAGE {
            self.image = "kluster:1";
        }
        for _ in 0..ROUNDS_TO_SETTLE {
            idle = if self.round() == 0 { idle + 1 } else { 0 };
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
        for type_ in ["Ready", "UpToDate"] {
            let mut told = plan.conditions.iter();
            let told = told.find(|told| told.type_.to_string() == type_).unwrap();
            assert_eq!(told.holds, Some(true), "{}: {told:?}", self.seed);
        }
        let sizes = self.seen.sets.iter().map(|set| &set.size);
        let used = self.seen.claims.iter().filter(|claim| !claim.retired);
        for size in sizes.chain(used.map(|claim| &claim.capacity)) {
            assert_eq!(size.as_deref(), Some(self.size), "{}: storage", self.seed);
        }
    }
}
