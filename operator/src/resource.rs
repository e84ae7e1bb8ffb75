//! One object that the operator wants, as data: its kind, its name and everything the operator says about it.

use crds::labels;
use kube::core::{ApiResource, GroupVersionKind};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sha2::{Digest, Sha256};

/// The container of a pod that is the node.
pub const CONTAINER: &str = "node";

/// The kinds that the operator writes, in the order in which it writes them.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// The cluster key; created, never changed.
    Secret,
    /// What the node pods are to the API server.
    ServiceAccount,
    /// What they may do there.
    Role,
    /// The tie between the two.
    RoleBinding,
    /// Config file and list of nodes.
    ConfigMap,
    /// Ways to the nodes.
    Service,
    /// Who may go them.
    NetworkPolicy,
    /// How many nodes a drain may take.
    PodDisruptionBudget,
    /// A node's volume; only its annotations are ours.
    PersistentVolumeClaim,
    /// The wish for one node.
    ClusterNode,
    /// The pods of one zone.
    StatefulSet,
}

impl Kind {
    /// Every kind, in order.
    pub const ALL: [Kind; 11] = [
        Kind::Secret,
        Kind::ServiceAccount,
        Kind::Role,
        Kind::RoleBinding,
        Kind::ConfigMap,
        Kind::Service,
        Kind::NetworkPolicy,
        Kind::PodDisruptionBudget,
        Kind::PersistentVolumeClaim,
        Kind::ClusterNode,
        Kind::StatefulSet,
    ];

    /// Group, version and plural.
    fn place(self) -> (&'static str, &'static str, &'static str) {
        match self {
            Kind::Secret => ("", "v1", "secrets"),
            Kind::ServiceAccount => ("", "v1", "serviceaccounts"),
            Kind::Role => ("rbac.authorization.k8s.io", "v1", "roles"),
            Kind::RoleBinding => ("rbac.authorization.k8s.io", "v1", "rolebindings"),
            Kind::ConfigMap => ("", "v1", "configmaps"),
            Kind::Service => ("", "v1", "services"),
            Kind::NetworkPolicy => ("networking.k8s.io", "v1", "networkpolicies"),
            Kind::PodDisruptionBudget => ("policy", "v1", "poddisruptionbudgets"),
            Kind::PersistentVolumeClaim => ("", "v1", "persistentvolumeclaims"),
            Kind::ClusterNode => ("kluster.dev", "v1alpha1", "clusternodes"),
            Kind::StatefulSet => ("apps", "v1", "statefulsets"),
        }
    }

    /// The name of the kind.
    pub fn name(self) -> String {
        format!("{self:?}")
    }

    /// `apiVersion` of the kind.
    pub fn api_version(self) -> String {
        match self.place() {
            ("", version, _) => version.to_owned(),
            (group, version, _) => format!("{group}/{version}"),
        }
    }

    /// Where the API server serves the kind.
    pub fn api_resource(self) -> ApiResource {
        let (group, version, plural) = self.place();
        ApiResource::from_gvk_with_plural(
            &GroupVersionKind::gvk(group, version, &self.name()),
            plural,
        )
    }

    /// Whether an object of this kind is deleted once nothing wants it: those that an edit of the Cluster takes away.
    /// The others go with their Cluster; StatefulSets shrink step by step, and volumes are nobody's to delete.
    pub fn is_swept(self) -> bool {
        matches!(
            self,
            Kind::NetworkPolicy | Kind::PodDisruptionBudget | Kind::ClusterNode
        )
    }
}

/// One wanted object.
#[derive(Clone, Debug, PartialEq)]
pub struct Resource {
    /// Its kind.
    pub kind: Kind,
    /// Its name.
    pub name: String,
    /// Hash of what the operator says about it; also in its annotation.
    pub hash: String,
    /// What the operator says about it, as it is sent.
    pub object: Value,
}

impl Resource {
    /// An object as rendered, with its hash put into its annotations.
    pub fn seal(kind: Kind, rendered: &impl Serialize) -> Resource {
        let mut object =
            serde_json::to_value(rendered).expect("a rendered object is JSON: its keys are text");
        let name = object
            .pointer("/metadata/name")
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned();
        if let Value::Object(fields) = &mut object {
            fields.insert("apiVersion".into(), kind.api_version().into());
            fields.insert("kind".into(), kind.name().into());
            fields.remove("status");
        }
        let hash = hash(&object);
        let annotations = object
            .pointer_mut("/metadata")
            .and_then(Value::as_object_mut)
            .map(|metadata| {
                metadata
                    .entry("annotations")
                    .or_insert_with(|| Value::Object(Map::new()))
            });
        if let Some(Value::Object(annotations)) = annotations {
            annotations.insert(labels::HASH.into(), hash.clone().into());
        }
        Resource {
            kind,
            name,
            hash,
            object,
        }
    }
}

/// Hash of a JSON value: 16 hex digits, independent of the order of keys.
pub fn hash(value: &Value) -> String {
    let mut hasher = Sha256::new();
    feed(value, &mut hasher);
    hex::encode(hasher.finalize().get(..8).unwrap_or_default())
}

fn feed(value: &Value, hasher: &mut Sha256) {
    match value {
        Value::Object(fields) => {
            let mut keys: Vec<_> = fields.iter().collect();
            keys.sort_by(|a, b| a.0.cmp(b.0));
            hasher.update(format!("{{{}", keys.len()));
            for (key, below) in keys {
                hasher.update(format!("{}:{key}", key.len()));
                feed(below, hasher);
            }
        }
        Value::Array(items) => {
            hasher.update(format!("[{}", items.len()));
            items.iter().for_each(|item| feed(item, hasher));
        }
        leaf => hasher.update(leaf.to_string()),
    }
}
