//! `Cluster.status`: what the operator saw, written by it alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the operator saw at its last pass.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterStatus {
    /// Generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// The one reason to read first: of the condition that is worst, or else of `Ready`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub reason: Option<String>,
    /// Pods that exist.
    #[serde(default)]
    pub replicas: i32,
    /// Nodes whose pods are ready.
    #[serde(default)]
    pub ready_replicas: i32,
    /// Pods that run the wanted pod template.
    #[serde(default)]
    pub updated_replicas: i32,
    /// Label selector of the pods, as text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub selector: Option<String>,
    /// Lowest version that a node reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Id that the cluster drew when it was formed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// The log, as its leader reports it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub log: Option<LogStatus>,
    /// Nodes of each zone.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["name".into()]))]
    pub zones: Vec<ZoneStatus>,
    /// The one operation under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<OperationStatus>,
    /// The last `spec.operations.recoverFrom` that was obeyed or refused; the same value is not obeyed again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<RecoveryStatus>,
    /// Version of the operator that wrote this.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub operator_version: Option<String>,
    /// Conditions; each is present from the first pass.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The log, as its leader reports it.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct LogStatus {
    /// Pod that leads.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub leader: Option<String>,
    /// Member id of the leader.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub leader_id: Option<String>,
    /// Term of the leader.
    #[serde(default)]
    pub term: i64,
    /// How many members vote.
    #[serde(default)]
    pub voters: i32,
    /// Position of the last entry known to be committed, coarse: it moves only when something else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub position: Option<String>,
}

/// Nodes of one zone.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct ZoneStatus {
    /// Name of the zone.
    #[schemars(length(max = 11))]
    pub name: String,
    /// Nodes wanted in it.
    pub desired: i32,
    /// Nodes of it that are ready.
    pub ready: i32,
}

/// A recovery from one survivor that is used up.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RecoveryStatus {
    /// Member id of the survivor.
    #[schemars(length(max = 16))]
    pub member_id: String,
    /// Position that it was to have at least.
    #[schemars(length(max = 64))]
    pub position: String,
    /// Incarnation of the cluster after it.
    #[serde(default)]
    pub incarnation: i64,
    /// Why it had no effect; absent where it had.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub refusal: Option<String>,
}

/// The one operation under way.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct OperationStatus {
    /// What it is: Form, Adopt, Recover, ReplaceMember, ScaleUp, ScaleDown, Fence, Roll, GrowStorage.
    #[serde(rename = "type")]
    #[schemars(length(max = 32))]
    pub type_: String,
    /// Names this operation towards the leader.
    #[schemars(length(max = 128))]
    pub id: String,
    /// The step it is at.
    #[schemars(length(max = 64))]
    pub step: String,
    /// The node it is about.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63))]
    pub target: Option<String>,
    /// What it waits for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
}
