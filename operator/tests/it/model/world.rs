//! What there is, what chance draws, and how time passes.

use std::collections::{BTreeMap, BTreeSet};

use crds::{Cluster, DiskClass};
use operator::observe::Observed;
use operator::plan::{Plan, plan};
use operator::validate::{Subject, parse, validate};
use serde_json::{Value, json};

pub const CLUSTER: &str = "demo";
pub const UID: &str = "cluster-uid";
pub const BAD_IMAGE: &str = "kluster:bad";
pub const ROUNDS_TO_SETTLE: usize = 400;

/// Size that volumes do not pass by themselves.
pub const LIMIT: &str = "4Gi";
const MEBI: i64 = 1 << 20;

/// A size in bytes.
pub fn bytes(size: &str) -> i64 {
    #[allow(clippy::cast_possible_truncation, reason = "sizes of a few gibibytes")]
    let bytes = parse(size).unwrap() as i64;
    bytes
}

/// How many fields [`settings`] has.
const SETTINGS: u64 = 7;

/// Fields of the spec that the model does not look into, each with a value.
pub fn settings() -> Vec<(&'static str, Value)> {
    let settings = vec![
        ("resources", json!({ "requests": { "cpu": "1" } })),
        ("scheduling", json!({ "priorityClassName": "high" })),
        (
            "podTemplate",
            json!({ "metadata": { "labels": { "team": "blue" } } }),
        ),
        ("config", json!({ "log": { "keepEntries": 100 } })),
        ("engines", json!({ "kv": { "quota": "1Gi" } })),
        ("updates", json!({ "restartedAt": "2026-11-26T00:00:00Z" })),
        ("networkPolicy", json!({ "enabled": false })),
    ];
    assert_eq!(settings.len() as u64, SETTINGS);
    settings
}

pub struct Disk {
    pub member: String,
    pub cluster: Option<String>,
}

pub struct World {
    pub seed: u64,
    pub chance: u64,
    pub drawn: u64,
    pub replicas: i32,
    pub zones: Vec<&'static str>,
    pub status: crds::ClusterStatus,
    pub seen: Observed,
    pub disks: BTreeMap<String, Disk>,
    pub members: BTreeMap<String, bool>,
    pub removed: BTreeSet<String>,
    pub leader: Option<String>,
    pub term: i64,
    pub formed: Option<String>,
    pub intended: usize,
    pub open: bool,
    pub incarnation: i64,
    pub image: &'static str,
    pub size: &'static str,
    /// Whether volumes grow by themselves, up to [`LIMIT`].
    pub auto_grow: bool,
    /// True once they did: they stay as large.
    pub may_be_larger: bool,
    /// What each node has on its disk.
    pub data_bytes: i64,
    pub fenced: BTreeSet<String>,
    pub recover_from: Option<crds::RecoverFrom>,
    pub paused: bool,
    /// Every other field of the spec that is set, by name.
    pub settings: BTreeMap<&'static str, Value>,
    /// Hash of the template of each StatefulSet, before Kubernetes has taken it.
    pub templates: BTreeMap<String, String>,
    /// Hashes of templates that do not start.
    pub bad: BTreeSet<String>,
}

impl World {
    pub fn new(seed: u64, replicas: i32) -> World {
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
            auto_grow: false,
            may_be_larger: false,
            data_bytes: MEBI,
            fenced: BTreeSet::new(),
            recover_from: None,
            paused: false,
            settings: BTreeMap::new(),
            templates: BTreeMap::new(),
            bad: BTreeSet::new(),
        }
    }

    pub fn chance(&mut self, of: u64) -> u64 {
        self.chance ^= self.chance << 13;
        self.chance ^= self.chance >> 7;
        self.chance ^= self.chance << 17;
        self.chance % of
    }

    pub fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    pub fn cluster(&self) -> Cluster {
        let zones: Vec<_> = self
            .zones
            .iter()
            .map(|name| json!({ "name": name }))
            .collect();
        let mut spec = json!({
            "image": self.image, "replicas": self.replicas, "zones": zones, "storage": { "size": self.size },
            "operations": {
                "paused": self.paused, "fencedNodes": self.fenced, "recoverFrom": self.recover_from,
            },
        });
        if self.auto_grow {
            spec["storage"]["autoGrow"] = json!({ "limit": LIMIT });
        }
        for (field, value) in &self.settings {
            spec[field] = value.clone();
        }
        serde_json::from_value(json!({
            "apiVersion": "kluster.dev/v1alpha1",
            "kind": "Cluster",
            "metadata": { "name": CLUSTER, "namespace": "default", "uid": UID, "generation": 1 },
            "spec": spec,
            "status": self.status,
        }))
        .unwrap()
    }

    pub fn plan(&self) -> Plan {
        let cluster = self.cluster();
        plan(&Subject::of(&cluster), &validate(&cluster), &self.seen)
    }

    pub fn something_happens(&mut self) {
        match self.chance(29) {
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
            24 => self.person_edits(),
            25 => {
                self.data_bytes =
                    [1, 900, 1900, 5000][usize::try_from(self.chance(4)).unwrap()] * MEBI
            }
            26 => self.toggle_auto_grow(),
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

    /// A person lets volumes grow by themselves, or no longer.
    pub fn toggle_auto_grow(&mut self) {
        self.auto_grow = !self.auto_grow;
        self.may_be_larger = true;
    }

    fn person_edits(&mut self) {
        match self.chance(8) {
            0 => self.paused = true,
            1 | 2 => self.paused = false,
            3 => self.ask_for_recovery(),
            _ => {
                let drawn = usize::try_from(self.chance(SETTINGS)).unwrap();
                let (field, value) = settings().swap_remove(drawn);
                if self.settings.remove(field).is_none() {
                    self.settings.insert(field, value);
                }
            }
        }
    }

    /// A person names a member that some disk holds, whether there is need or not.
    fn ask_for_recovery(&mut self) {
        let position = format!("0.0.{}", self.draw());
        let members: Vec<String> = self
            .disks
            .values()
            .map(|disk| disk.member.clone())
            .collect();
        if !members.is_empty() {
            let drawn = usize::try_from(self.chance(members.len() as u64)).unwrap();
            self.recover_from = Some(crds::RecoverFrom {
                member_id: members[drawn].clone(),
                position,
                acknowledge_loss: true,
            });
        }
    }

    pub fn fence(&mut self, name: &str) {
        self.fenced.insert(name.to_owned());
    }

    /// Everybody does their part once; returns how many writes the operator made.
    pub fn round(&mut self) -> usize {
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
    pub fn settle(&mut self) {
        let mut idle = 0;
        self.fenced.clear();
        self.paused = false;
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

    pub fn check_settled(&self, plan: &Plan) {
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
        self.check_sizes();
    }

    fn check_sizes(&self) {
        let sets = self.seen.sets.iter().map(|set| &set.size);
        let used = self.seen.claims.iter().filter(|claim| !claim.retired);
        let sizes = sets.chain(used.map(|claim| &claim.capacity));
        let sizes: BTreeSet<i64> = sizes.map(|size| bytes(size.as_ref().unwrap())).collect();
        let (least, limit) = (bytes(self.size), bytes(LIMIT));
        let most = if self.may_be_larger { limit } else { least };
        let within = sizes.iter().all(|size| (least..=most).contains(size));
        assert!(within, "{}: storage {sizes:?}", self.seed);
        if !self.auto_grow {
            return;
        }
        assert_eq!(sizes.len(), 1, "{}: storage {sizes:?}", self.seed);
        let mut reported = self
            .seen
            .nodes
            .iter()
            .filter_map(|node| node.status.as_ref());
        let has_room = reported.all(|status| status.disk.as_ref().unwrap().class == DiskClass::Ok);
        assert!(
            has_room || sizes.contains(&limit),
            "{}: little room, and the volumes stay at {sizes:?}",
            self.seed
        );
    }
}
