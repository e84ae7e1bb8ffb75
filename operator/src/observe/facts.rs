//! What one pass of the operator saw, as plain data: the input of `plan`, and the `observed.yaml` of its tests.

use std::collections::BTreeMap;

use crds::{ClusterNodeSpec, ClusterNodeStatus};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::resource::Kind;

/// Everything that was read about one Cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Observed {
    /// ClusterNodes that carry the Cluster's label.
    #[serde(default)]
    pub nodes: Vec<NodeSeen>,
    /// Pods that carry it.
    #[serde(default)]
    pub pods: Vec<PodSeen>,
    /// Volume claims that carry it.
    #[serde(default)]
    pub claims: Vec<ClaimSeen>,
    /// StatefulSets that carry it.
    #[serde(default)]
    pub sets: Vec<SetSeen>,
    /// Every object that carries it or has a name that the operator uses, volume claims and pods aside.
    #[serde(default)]
    pub objects: Vec<ObjectSeen>,
    /// Names of the Secrets that the spec names and that do not exist.
    #[serde(default)]
    pub absent_secrets: Vec<String>,
}

/// A ClusterNode.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NodeSeen {
    /// Its name, which is its pod's.
    pub name: String,
    /// UID of the controller that owns it.
    #[serde(default)]
    pub owner: Option<String>,
    /// The wish it holds.
    pub spec: ClusterNodeSpec,
    /// What the node reported.
    #[serde(default)]
    pub status: Option<ClusterNodeStatus>,
}

/// A pod.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct PodSeen {
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
    /// True when the kubelet calls it ready.
    #[serde(default)]
    pub ready: bool,
    /// True when its machine has not been heard of for so long that Kubernetes no longer calls it ready.
    #[serde(default)]
    pub silent: bool,
    /// True when it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Hash of the template it was made from.
    #[serde(default)]
    pub restart_hash: Option<String>,
    /// Why it does not run, in Kubernetes' words.
    #[serde(default)]
    pub trouble: Option<String>,
}

/// A volume claim.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ClaimSeen {
    /// Its name.
    pub name: String,
    /// Its UID.
    #[serde(default)]
    pub uid: String,
    /// The cluster whose data it holds, where known.
    #[serde(default)]
    pub cluster_id: Option<String>,
    /// The member whose data it holds, where known.
    #[serde(default)]
    pub member_id: Option<String>,
    /// Epoch of the last wish for that member.
    #[serde(default)]
    pub epoch: Option<i64>,
    /// True once its member was removed.
    #[serde(default)]
    pub retired: bool,
    /// True when it is bound to a volume.
    #[serde(default)]
    pub bound: bool,
    /// The storage class it asks for.
    #[serde(default)]
    pub class: Option<String>,
    /// The size it asks for.
    #[serde(default)]
    pub size: Option<String>,
    /// The size that its volume has.
    #[serde(default)]
    pub capacity: Option<String>,
    /// Hash of what the operator last said about it.
    #[serde(default)]
    pub hash: Option<String>,
    /// True when it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// The object as it is.
    #[serde(default)]
    pub live: Value,
}

/// A StatefulSet.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct SetSeen {
    /// Its name.
    pub name: String,
    /// UID of the controller that owns it.
    #[serde(default)]
    pub owner: Option<String>,
    /// Pods it wants.
    pub replicas: u32,
    /// Size in its volume claim template, which can never change.
    #[serde(default)]
    pub size: Option<String>,
    /// Its UID.
    #[serde(default)]
    pub uid: String,
    /// True when it is being deleted.
    #[serde(default)]
    pub deleting: bool,
    /// Hash of the pod template that Kubernetes makes new pods from; nothing while it has yet to take a new one.
    #[serde(default)]
    pub restart_hash: Option<String>,
    /// Pods that it lacks because the API server would not have them, by name, and why, in its words.
    #[serde(default)]
    pub refused: BTreeMap<String, String>,
}

impl SetSeen {
    /// Pods that it wants.
    pub fn pods(&self) -> impl Iterator<Item = String> {
        (0..self.replicas).map(|ordinal| format!("{}-{ordinal}", self.name))
    }
}

/// Any object with a name that the operator uses.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ObjectSeen {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Its UID.
    #[serde(default)]
    pub uid: String,
    /// The controller that owns it.
    #[serde(default)]
    pub owner: Option<OwnerSeen>,
    /// True when it carries the operator's labels for this Cluster.
    #[serde(default)]
    pub labelled: bool,
    /// Hash of what the operator last said about it.
    #[serde(default)]
    pub hash: Option<String>,
    /// The object as it is.
    #[serde(default)]
    pub live: Value,
}

/// The controller that owns an object.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct OwnerSeen {
    /// Its kind.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its UID.
    pub uid: String,
}
