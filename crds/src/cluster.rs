//! `Cluster`: what a person asks for.

#![allow(
    clippy::duplicated_attributes,
    reason = "several printer columns of one resource share a type or a priority"
)]

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{Affinity, Toleration, TopologySpreadConstraint};
use k8s_openapi::api::networking::v1::NetworkPolicyPeer;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;
use crate::{ClusterStatus, Engines};

/// The wanted state of a Cluster. The operator reads it and never writes it.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kluster.dev",
    version = "v1alpha1",
    kind = "Cluster",
    plural = "clusters",
    shortname = "kc",
    category = "kluster",
    namespaced,
    status = "ClusterStatus",
    derive = "PartialEq",
    doc = "A cluster of nodes that keep the same data, ordered by one replicated log",
    scale(
        spec_replicas_path = ".spec.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = ".status.reason"),
    printcolumn(name = "Degraded", type_ = "string", json_path = r#".status.conditions[?(@.type=="Degraded")].status"#),
    printcolumn(name = "Doing", type_ = "string", json_path = ".status.operation.type"),
    printcolumn(name = "Nodes", type_ = "integer", json_path = ".status.readyReplicas"),
    printcolumn(name = "Desired", type_ = "integer", json_path = ".spec.replicas"),
    printcolumn(name = "Leader", type_ = "string", json_path = ".status.log.leader"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "Health", type_ = "string", priority = 1, json_path = r#".status.conditions[?(@.type=="Degraded")].message"#),
    printcolumn(name = "Waits for", type_ = "string", priority = 1, json_path = ".status.operation.message"),
    validation = Rule::new("self.metadata.name.size() <= 40")
        .message("metadata.name must be at most 40 characters: names of pods and services derive from it"),
    validation = Rule::new("self.metadata.name.matches('^[a-z]([-a-z0-9]*[a-z0-9])?$')")
        .message("metadata.name must be lower-case letters, digits and '-', and begin with a letter: names of services derive from it")
)]
#[cfg_attr(test, kube(cel))]
#[x_kube(validation = Rule::new("!has(self.zones) || self.zones.size() == 0 || (has(oldSelf.zones) && self.zones == oldSelf.zones)")
        .message("zones are fixed when the Cluster is created").field_path(".zones"),
    validation = Rule::new("!has(oldSelf.zones) || oldSelf.zones.size() == 0 || (has(self.zones) && self.zones.size() > 0)")
        .message("zones are fixed when the Cluster is created"))]
#[serde(rename_all = "camelCase")]
pub struct ClusterSpec {
    /// Image that holds the program kluster-node.
    #[schemars(length(min = 1, max = 512))]
    pub image: String,
    /// How many nodes in all; they are divided evenly over the zones.
    #[schemars(range(min = 1, max = 15))]
    #[serde(default = "three")]
    pub replicas: i32,
    /// Zones the nodes are spread over; fixed at creation. Without any there is one zone, "default".
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub zones: Vec<Zone>,
    /// The volume of each node.
    pub storage: Storage,
    /// CPU and memory of each node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resources: Option<Resources>,
    /// Where pods may run.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub scheduling: Option<Scheduling>,
    /// Pod template laid over the operator's, merged by container name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::anything")]
    pub pod_template: Option<PodTemplate>,
    /// Settings of the nodes; a change rolls them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config: Option<NodeConfig>,
    /// What the data's engines are set to; a change rolls the nodes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub engines: Option<Engines>,
    /// How nodes are replaced.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub updates: Option<Updates>,
    /// What a person asks of the operator for a while.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operations: Option<Operations>,
    /// Who may reach the nodes over the network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network_policy: Option<NetworkPolicy>,
}

/// Any object of pod template fields (`metadata`, `spec`), judged when the operator merges it.
pub type PodTemplate = serde_json::Map<String, serde_json::Value>;

fn three() -> i32 {
    3
}

/// One zone of a Cluster: a StatefulSet of its own.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Zone {
    /// Short name, part of the names of pods.
    #[schemars(length(min = 1, max = 11), regex(pattern = "^[a-z][a-z0-9]{0,10}$"))]
    pub name: String,
    /// Labels of the Kubernetes nodes that belong to this zone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::labels")]
    pub node_selector: BTreeMap<String, String>,
    /// Storage class of this zone; that of spec.storage when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
}

/// The volume of each node.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[x_kube(validation = Rule::new("has(self.storageClassName) == has(oldSelf.storageClassName) && (!has(self.storageClassName) || self.storageClassName == oldSelf.storageClassName)")
    .message("storageClassName is fixed when the Cluster is created"))]
#[x_kube(validation = Rule::new("!has(self.autoGrow) || !isQuantity(string(self.size)) || !isQuantity(string(self.autoGrow.limit)) || quantity(string(self.autoGrow.limit)).compareTo(quantity(string(self.size))) >= 0")
    .message("autoGrow.limit must not be less than size"))]
#[serde(rename_all = "camelCase")]
pub struct Storage {
    /// Size of each volume; it can grow and never shrink.
    #[schemars(schema_with = "schemas::quantity")]
    #[x_kube(
        validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
            .message("storage size must be a quantity above zero, such as 10Gi"),
        validation = Rule::new("!isQuantity(string(self)) || !isQuantity(string(oldSelf)) || quantity(string(self)).compareTo(quantity(string(oldSelf))) >= 0")
            .message("storage size can only grow")
    )]
    pub size: Quantity,
    /// Storage class; that of the Kubernetes cluster's default when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub storage_class_name: Option<String>,
    /// Lets the volumes grow by themselves when a node has little room; they stay as large as they are when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub auto_grow: Option<AutoGrow>,
}

/// How volumes grow by themselves: all of them by a step as soon as one node has little room, which is 85 percent in use; by
/// another one only once that step is taken and too little.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct AutoGrow {
    /// Size that they do not pass by themselves.
    #[schemars(schema_with = "schemas::quantity")]
    #[x_kube(validation = Rule::new("isQuantity(string(self)) && quantity(string(self)).isGreaterThan(quantity('0'))")
        .message("the limit must be a quantity above zero, such as 100Gi"))]
    pub limit: Quantity,
    /// How much larger they become at a time, in percent of what they are.
    #[serde(default = "half")]
    #[schemars(range(min = 20, max = 100))]
    pub step_percent: i32,
}

fn half() -> i32 {
    50
}

/// CPU and memory of each node, as Kubernetes understands them.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Resources {
    /// What a node is promised.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::quantities")]
    pub requests: BTreeMap<String, Quantity>,
    /// What a node may never exceed.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "schemas::quantities")]
    pub limits: BTreeMap<String, Quantity>,
}

/// Where pods may run.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Scheduling {
    /// Node and pod affinity of each pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,
    /// Taints that pods tolerate.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub tolerations: Vec<Toleration>,
    /// Priority class of the pods.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 253))]
    pub priority_class_name: Option<String>,
    /// How pods spread; over hosts where possible when absent.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,
}

/// Settings of the nodes; what is absent stays as the program has it.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct NodeConfig {
    /// Heartbeats and elections.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub raft: Option<RaftConfig>,
    /// Bounds of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogConfig>,
}

/// Heartbeats and elections; all three or none.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[x_kube(validation = Rule::new("self.heartbeatMs * 2 <= self.electionMinMs")
        .message("heartbeatMs must be at most half of electionMinMs").field_path(".heartbeatMs"),
    validation = Rule::new("self.electionMinMs < self.electionMaxMs")
        .message("electionMinMs must be below electionMaxMs").field_path(".electionMinMs"))]
#[serde(rename_all = "camelCase")]
pub struct RaftConfig {
    /// Pause between two heartbeats of the leader.
    #[schemars(range(min = 10, max = 10_000))]
    pub heartbeat_ms: u32,
    /// Shortest time without a heartbeat after which a node asks for votes; reads by lease rely on 250 ms at least.
    #[schemars(range(min = 250, max = 60_000))]
    pub election_min_ms: u32,
    /// Longest such time.
    #[schemars(range(min = 251, max = 120_000))]
    pub election_max_ms: u32,
}

/// Bounds of the log.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogConfig {
    /// Entries after which a snapshot is made; of large data only once the log has grown by half as much.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 100, max = 100_000_000))]
    pub snapshot_every_entries: Option<u32>,
    /// Entries that are kept behind the last snapshot, for followers that lag.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 100_000_000))]
    pub keep_entries: Option<u32>,
}

/// How nodes are replaced: followers first, the leader last, one at a time, never below a majority.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct Updates {
    /// Every node is restarted once when this changes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "schemas::time")]
    pub restarted_at: Option<String>,
}

/// What a person asks of the operator for a while.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct Operations {
    /// True: the operator only looks and reports.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub paused: bool,
    /// Nodes (names of pods) that neither vote nor serve; each keeps its disk and comes back once it is not listed.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 15), inner(length(min = 1, max = 63)))]
    #[x_kube(merge_strategy = ListMerge::Set)]
    pub fenced_nodes: Vec<String>,
    /// Begins anew from one survivor after a majority of the disks was lost for ever; each value is obeyed once.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover_from: Option<RecoverFrom>,
}

/// The survivor whose data become the cluster's after a majority was lost.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct RecoverFrom {
    /// Member id of the survivor.
    #[schemars(length(max = 16), regex(pattern = "^[0-9a-f]{16}$"))]
    pub member_id: String,
    /// Position that the survivor reports, such as 0.0.1234: it refuses if it has less.
    #[schemars(
        length(min = 1, max = 64),
        regex(pattern = r"^[0-9]+\.[0-9]+\.[0-9]+$")
    )]
    pub position: String,
    /// Must be true: writes that only the lost disks had are gone.
    #[x_kube(validation = Rule::new("self").message("acknowledgeLoss must be true: writes that only the lost disks had are gone"))]
    pub acknowledge_loss: bool,
}

/// Who may reach the nodes over the network.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkPolicy {
    /// False: no NetworkPolicy is made.
    #[serde(default = "yes")]
    pub enabled: bool,
    /// Who may reach the clients' port; everyone when empty.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    pub allow_from: Vec<NetworkPolicyPeer>,
}

fn yes() -> bool {
    true
}
