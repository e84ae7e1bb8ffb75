//! `ClusterNode.status`: what a node's agent reports, written by it alone.

use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;
use kube::KubeSchema;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::schemas;

/// What a node reports of itself. Ids are hex text.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, Default, PartialEq)]
#[serde(rename_all = "camelCase")]
pub struct ClusterNodeStatus {
    /// Generation of the spec that this status answers.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Member id found or drawn on its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub member_id: Option<String>,
    /// Cluster id found on its disk; absent on an empty disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cluster_id: Option<String>,
    /// Raised by a forced recovery or a restore.
    #[serde(default)]
    pub incarnation: i64,
    /// Public key of the member (hex), registered when it joins.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub public_key: Option<String>,
    /// Where its peers reach it, `host:port`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 320))]
    pub peer_address: Option<String>,
    /// UID of the pod that reports.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub pod_uid: Option<String>,
    /// Its role in the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub role: Option<Role>,
    /// Member id of the leader it follows.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16))]
    pub leader_id: Option<String>,
    /// Highest term it has seen.
    #[serde(default)]
    pub term: i64,
    /// Position it applied, an opaque token.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub position: Option<String>,
    /// Index it applied.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied_index: Option<i64>,
    /// Index it knows to be committed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub committed_index: Option<i64>,
    /// Term and index of the last entry of its log, `term.index`, be it committed or not: of two logs the one of the later
    /// term has more, and of one term the one of the higher index.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub last_log: Option<String>,
    /// Log id of the membership it knows, `term.leader.index`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub membership_id: Option<String>,
    /// Members that vote, as it knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::ids")]
    pub voters: Vec<String>,
    /// Members that do not vote, as it knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::ids")]
    pub learners: Vec<String>,
    /// Latest removed ids, as it knows them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::ids")]
    pub removed_ids: Vec<String>,
    /// On the leader: members whose logs are caught up.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::ids")]
    pub caught_up: Vec<String>,
    /// Peers it reaches now.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(schema_with = "schemas::ids")]
    pub peers_reached: Vec<String>,
    /// True when it serves.
    #[serde(default)]
    pub ready: bool,
    /// Why it is not ready.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub ready_message: Option<String>,
    /// True once the cluster accepts writes.
    #[serde(default)]
    pub open: bool,
    /// True while it serves no client because it was told so.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
    /// Whether a write committed of late, as far as this node knows; the leader makes one of its own where nobody else does.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub commits: Option<bool>,
    /// Room on its disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub disk: Option<DiskStatus>,
    /// Digest of its data at a position.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub digest: Option<DigestStatus>,
    /// Version of the program.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub version: Option<String>,
    /// Highest feature level it supports.
    #[serde(default)]
    pub feature_level: i32,
    /// Echo of spec.operationId, from a leader that confirmed its leadership with a majority after it read it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub operation_id: Option<String>,
    /// What stands in its way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 1024))]
    pub message: Option<String>,
    /// Conditions of the node.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
}

/// The role of a node in the log.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Role {
    /// On an empty disk, a member of nothing yet.
    Waiting,
    /// Receives the log and does not vote.
    Learner,
    /// Votes and follows.
    Follower,
    /// Asks for votes.
    Candidate,
    /// Orders the writes.
    Leader,
}

/// Room on a node's disk.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DiskStatus {
    /// Size of the disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub total_bytes: Option<i64>,
    /// Share in use, rounded to 5.
    #[serde(default)]
    pub used_percent: i32,
    /// What that means.
    pub class: DiskClass,
}

/// What the room on a disk means.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum DiskClass {
    /// Enough room.
    Ok,
    /// Little room.
    Low,
    /// Too little room to write.
    Full,
}

/// Digest of a node's data at a position: nodes that applied the same entries report the same.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, Eq, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct DigestStatus {
    /// Index of the entry after which it was taken.
    pub index: i64,
    /// The digest (hex).
    #[schemars(length(max = 64))]
    pub value: String,
}
