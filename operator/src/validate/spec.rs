//! The spec, parsed: every value the later rooms use, and nothing they would have to check again.

use std::cmp::Ordering;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use crds::{AutoGrow, Cluster, ClusterSpec, NodeConfig, RecoverFrom, Resources, Scheduling, names};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use serde_json::Value;

use super::kv::{self, Kv};
use super::quantity;

/// A spec that holds no contradiction.
#[derive(Clone, Debug, PartialEq)]
pub struct Validated {
    /// Image of the nodes.
    pub image: String,
    /// Nodes in all, 1 to 15.
    pub replicas: u32,
    /// Zones sorted by name; one, `default`, when none were given.
    pub zones: Vec<ZoneWanted>,
    /// True when zones were given.
    pub zoned: bool,
    /// Size of each volume.
    pub storage_size: String,
    /// How volumes grow beyond it by themselves.
    pub auto_grow: Option<AutoGrow>,
    /// CPU and memory.
    pub resources: Resources,
    /// Where pods may run.
    pub scheduling: Scheduling,
    /// Pod template overlay, an object.
    pub overlay: Value,
    /// Settings of the nodes.
    pub config: NodeConfig,
    /// Settings of the kv engine.
    pub kv: Kv,
    /// Every pod is made anew when this changes.
    pub restarted_at: Option<String>,
    /// True when the operator must only look.
    pub paused: bool,
    /// Names of the nodes that neither vote nor serve.
    pub fenced: BTreeSet<String>,
    /// The survivor to begin anew from.
    pub recover_from: Option<RecoverFrom>,
    /// Who may reach the nodes; nothing when no policy is wanted.
    pub network: Option<Network>,
}

/// A zone.
#[derive(Clone, Debug, PartialEq)]
pub struct ZoneWanted {
    /// Its name.
    pub name: String,
    /// Labels of its Kubernetes nodes.
    pub node_selector: BTreeMap<String, String>,
    /// Its storage class; the cluster's default when absent.
    pub storage_class: Option<String>,
}

/// Who may reach the clients' port; everyone when empty.
#[derive(Clone, Debug, PartialEq)]
pub struct Network {
    /// The peers.
    pub allow_from: Vec<NetworkPolicyPeer>,
}

/// One thing that is wrong with a spec.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where.
    pub field: String,
    /// What rule it breaks.
    pub rule: String,
}

/// Everything that is wrong with a spec; never empty.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Problem { field, rule }) in self.0.iter().enumerate() {
            let separator = if index == 0 { "" } else { "; " };
            write!(f, "{separator}{field}: {rule}")?;
        }
        Ok(())
    }
}

/// Parses the spec of `cluster`.
pub fn validate(cluster: &Cluster) -> Result<Validated, Problems> {
    let mut found = Found::default();
    let spec = &cluster.spec;
    check_name(
        cluster.metadata.name.as_deref().unwrap_or_default(),
        &mut found,
    );
    found.unless(
        !spec.image.trim().is_empty(),
        "spec.image",
        "must name an image",
    );
    let replicas = u32::try_from(spec.replicas).unwrap_or_default();
    found.unless(
        (1..=15).contains(&replicas),
        "spec.replicas",
        "must be between 1 and 15",
    );
    let size = spec.storage.size.0.clone();
    found.unless(
        quantity::parse(&size).is_some_and(|bytes| bytes > 0.0),
        "spec.storage.size",
        "must be a quantity above zero, such as 10Gi",
    );
    if let Some(auto_grow) = &spec.storage.auto_grow {
        found.unless(
            quantity::compare(&auto_grow.limit.0, &size).is_some_and(Ordering::is_ge),
            "spec.storage.autoGrow.limit",
            "must be a quantity, and not less than spec.storage.size",
        );
        found.unless(
            (20..=100).contains(&auto_grow.step_percent),
            "spec.storage.autoGrow.stepPercent",
            "must be between 20 and 100",
        );
    }
    let zones = zones(spec, &mut found);
    check_resources(spec, &mut found);
    let operations = spec.operations.clone().unwrap_or_default();
    check_fenced(cluster, &operations.fenced_nodes, &zones, &mut found);
    let overlay = overlay(spec, &mut found);
    let kv = kv::validate(spec, &mut found);
    if !found.0.is_empty() {
        return Err(Problems(found.0));
    }
    Ok(Validated {
        image: spec.image.trim().to_owned(),
        replicas,
        zones,
        zoned: !spec.zones.is_empty(),
        storage_size: size,
        auto_grow: spec.storage.auto_grow.clone(),
        resources: spec.resources.clone().unwrap_or_default(),
        scheduling: spec.scheduling.clone().unwrap_or_default(),
        overlay,
        config: spec.config.clone().unwrap_or_default(),
        kv,
        restarted_at: spec
            .updates
            .as_ref()
            .and_then(|updates| updates.restarted_at.clone()),
        paused: operations.paused,
        fenced: operations.fenced_nodes.into_iter().collect(),
        recover_from: operations.recover_from,
        network: network(spec),
    })
}

#[derive(Default)]
pub(super) struct Found(Vec<Problem>);

impl Found {
    pub(super) fn unless(
        &mut self,
        holds: bool,
        field: impl Into<String>,
        rule: impl Into<String>,
    ) {
        if !holds {
            self.0.push(Problem {
                field: field.into(),
                rule: rule.into(),
            });
        }
    }
}

fn check_name(name: &str, found: &mut Found) {
    found.unless(
        name.len() <= 40,
        "metadata.name",
        "must be at most 40 characters",
    );
    let letters = name
        .bytes()
        .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-');
    let begins = name.starts_with(|c: char| c.is_ascii_lowercase());
    found.unless(
        letters && begins && !name.ends_with('-'),
        "metadata.name",
        "must be lower-case letters, digits and '-', and begin with a letter",
    );
}

fn zones(spec: &ClusterSpec, found: &mut Found) -> Vec<ZoneWanted> {
    let class = &spec.storage.storage_class_name;
    if spec.zones.is_empty() {
        return vec![ZoneWanted {
            name: names::DEFAULT_ZONE.to_owned(),
            node_selector: BTreeMap::new(),
            storage_class: class.clone(),
        }];
    }
    let mut seen = BTreeSet::new();
    for (index, zone) in spec.zones.iter().enumerate() {
        let field = format!("spec.zones[{index}].name");
        let letters = zone
            .name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit());
        let begins = zone.name.starts_with(|c: char| c.is_ascii_lowercase());
        found.unless(
            letters && begins && zone.name.len() <= 11,
            &field,
            "must be at most 11 lower-case letters and digits, and begin with a letter",
        );
        found.unless(
            seen.insert(&zone.name),
            field,
            format!("{:?} is given twice", zone.name),
        );
    }
    let mut zones: Vec<ZoneWanted> = spec
        .zones
        .iter()
        .map(|zone| ZoneWanted {
            name: zone.name.clone(),
            node_selector: zone.node_selector.clone(),
            storage_class: zone.storage_class_name.clone().or_else(|| class.clone()),
        })
        .collect();
    zones.sort_by(|a, b| a.name.cmp(&b.name));
    zones
}

fn check_resources(spec: &ClusterSpec, found: &mut Found) {
    let Some(resources) = &spec.resources else {
        return;
    };
    for (part, quantities) in [
        ("requests", &resources.requests),
        ("limits", &resources.limits),
    ] {
        for (name, value) in quantities {
            let good = quantity::parse(&value.0).is_some_and(|value| value >= 0.0);
            found.unless(
                good,
                format!("spec.resources.{part}.{name}"),
                format!("{:?} is no quantity", value.0),
            );
        }
    }
    for (name, request) in &resources.requests {
        let limit = resources.limits.get(name);
        let above = limit.and_then(|limit| quantity::compare(&request.0, &limit.0));
        found.unless(
            above != Some(std::cmp::Ordering::Greater),
            format!("spec.resources.requests.{name}"),
            "must not be above its limit",
        );
    }
}

/// What is fenced must be the name that a node of this Cluster can have, or a slip would go unseen.
fn check_fenced(cluster: &Cluster, fenced: &[String], zones: &[ZoneWanted], found: &mut Found) {
    let name = cluster.metadata.name.as_deref().unwrap_or_default();
    for (index, node) in fenced.iter().enumerate() {
        let zone = names::zone_and_ordinal(name, node).map(|(zone, _)| zone);
        found.unless(
            zone.is_some_and(|zone| zones.iter().any(|known| known.name == zone)),
            format!("spec.operations.fencedNodes[{index}]"),
            format!("{node:?} names no node of this Cluster: expected {name}-<zone>-<number>"),
        );
    }
}

/// The overlay must be a pod template as far as it goes: a field that Kubernetes does not know would be lost.
fn overlay(spec: &ClusterSpec, found: &mut Found) -> Value {
    let overlay = Value::Object(spec.pod_template.clone().unwrap_or_default());
    let mut plain = Value::Object(serde_json::Map::new());
    super::overlay::merge(&mut plain, &overlay);
    for (index, container) in plain
        .pointer("/spec/containers")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .enumerate()
    {
        let named = container
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| !name.is_empty());
        found.unless(
            named,
            format!("spec.podTemplate.spec.containers[{index}].name"),
            "must be given",
        );
    }
    match serde_json::from_value::<PodTemplateSpec>(plain.clone()) {
        Ok(template) => {
            let kept = serde_json::to_value(template).unwrap_or_default();
            if let Some(field) = lost("spec.podTemplate", &plain, &kept) {
                found.unless(false, field, "is no field of a pod template");
            }
        }
        Err(error) => found.unless(
            false,
            "spec.podTemplate",
            format!("is no pod template: {error}"),
        ),
    }
    overlay
}

/// The first field of `given` that `kept` does not have.
fn lost(path: &str, given: &Value, kept: &Value) -> Option<String> {
    match (given, kept) {
        (Value::Object(given), kept) => given.iter().find_map(|(key, below)| {
            let path = format!("{path}.{key}");
            match kept.get(key) {
                Some(kept) => lost(&path, below, kept),
                None if is_empty(below) => None,
                None => Some(path),
            }
        }),
        (Value::Array(given), Value::Array(kept)) => given
            .iter()
            .zip(kept)
            .enumerate()
            .find_map(|(index, (given, kept))| lost(&format!("{path}[{index}]"), given, kept)),
        _ => None,
    }
}

fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Object(fields) => fields.is_empty(),
        Value::Array(items) => items.is_empty(),
        _ => false,
    }
}

fn network(spec: &ClusterSpec) -> Option<Network> {
    match &spec.network_policy {
        None => Some(Network {
            allow_from: Vec::new(),
        }),
        Some(policy) if policy.enabled => Some(Network {
            allow_from: policy.allow_from.clone(),
        }),
        Some(_) => None,
    }
}
