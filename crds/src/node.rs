//! `ClusterNode`: the one way in which the operator and a node speak. The spec is the operator's wish for one
//! *member id*, the status is what that node's agent reports.

#![allow(
    clippy::duplicated_attributes,
    reason = "several printer columns of one resource share a type or a priority"
)]

use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ClusterNodeStatus;

/// What the operator wants of one node. An absent field means "change nothing".
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "kluster.dev",
    version = "v1alpha1",
    kind = "ClusterNode",
    plural = "clusternodes",
    shortname = "kcn",
    category = "kluster",
    namespaced,
    status = "ClusterNodeStatus",
    derive = "PartialEq",
    doc = "One node of a Cluster: the operator's wish for it, and what it reports",
    printcolumn(name = "Cluster", type_ = "string", json_path = ".spec.cluster"),
    printcolumn(name = "Role", type_ = "string", json_path = ".status.role"),
    printcolumn(name = "Membership", type_ = "string", json_path = ".spec.membership"),
    printcolumn(name = "Ready", type_ = "boolean", json_path = ".status.ready"),
    printcolumn(name = "Term", type_ = "integer", json_path = ".status.term"),
    printcolumn(name = "Position", type_ = "string", json_path = ".status.position"),
    printcolumn(name = "Disk", type_ = "string", json_path = ".status.disk.class"),
    printcolumn(name = "Version", type_ = "string", json_path = ".status.version"),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "Member",
        type_ = "string",
        json_path = ".status.memberId",
        priority = 1
    ),
    printcolumn(
        name = "Log",
        type_ = "string",
        json_path = ".status.lastLog",
        priority = 1
    ),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = ".status.message",
        priority = 1
    )
)]
#[cfg_attr(test, kube(cel))]
#[x_kube(validation = Rule::new("self.cluster == oldSelf.cluster").message("cluster is fixed"))]
#[serde(rename_all = "camelCase")]
pub struct ClusterNodeSpec {
    /// Name of the Cluster it belongs to.
    #[schemars(length(min = 1, max = 40))]
    pub cluster: String,
    /// Member id that this wish is for; a node with another id does not obey it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = "^[0-9a-f]{16}$"))]
    pub member_id: Option<String>,
    /// What the member should be.
    #[serde(default)]
    pub membership: Membership,
    /// Forms a new cluster; obeyed once, by the named member id alone, on an empty disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bootstrap: Option<Bootstrap>,
    /// Begins anew from this member's disk alone; obeyed once, by the named member id alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<Recover>,
    /// True: the node serves no client.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub fenced: bool,
    /// Whether the member may lead.
    #[serde(default)]
    pub leadership: Leadership,
    /// Rises with each change of the wish; a lower one than the log holds is refused.
    #[serde(default)]
    #[schemars(range(min = 0))]
    pub epoch: i64,
    /// Set on the leader's object: echoed in its status once it confirmed its leadership.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub operation_id: Option<String>,
}

/// What a member should be.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Membership {
    /// It counts for a majority.
    Voter,
    /// It has the data and does not count.
    #[default]
    Learner,
    /// It is no member any more, for ever.
    Removed,
}

/// Whether a member may lead.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
pub enum Leadership {
    /// It may.
    #[default]
    Allowed,
    /// It hands leadership over when it has it.
    Avoid,
}

/// The order to form a new cluster.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Bootstrap {
    /// The one member id that obeys.
    #[schemars(length(max = 16), regex(pattern = "^[0-9a-f]{16}$"))]
    pub member_id: String,
    /// How many voters must have joined before writes are accepted.
    #[schemars(range(min = 1, max = 7))]
    pub voters: i32,
}

/// The order to begin anew from one survivor, after a majority of the disks was lost.
#[derive(KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Recover {
    /// The one member id that obeys.
    #[schemars(length(max = 16), regex(pattern = "^[0-9a-f]{16}$"))]
    pub member_id: String,
    /// It must have applied at least this position.
    #[schemars(length(min = 1, max = 64))]
    pub position: String,
}
