//! A ClusterNode as its watch sees it: three thousand of them report every ten seconds, most of them only that they moved.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use crds::ClusterNode;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::Resource;
use kube::api::ObjectMeta;
use kube::core::NamespaceResourceScope;
use serde::Deserialize;
use serde_json::Value;

/// What of a status moves with every write.
const MOVES: [&str; 5] = [
    "position",
    "appliedIndex",
    "committedIndex",
    "lastLog",
    "digest",
];

/// A ClusterNode, as far as a change of it is news. It can always be read, whatever it holds.
#[derive(Clone, Debug, Deserialize)]
pub struct Reported {
    #[serde(deserialize_with = "without_managers")]
    metadata: ObjectMeta,
    #[serde(default)]
    status: BTreeMap<String, Value>,
}

impl Reported {
    /// A hash of all but what moves with every write. A spec's change shows in the generation.
    pub fn news(&self) -> Option<u64> {
        let mut hasher = DefaultHasher::new();
        let metadata = &self.metadata;
        (
            &metadata.uid,
            metadata.generation,
            metadata.deletion_timestamp.is_some(),
            &metadata.labels,
            &metadata.annotations,
        )
            .hash(&mut hasher);
        for told in self.status.iter().filter(|(key, _)| !moves(key)) {
            told.hash(&mut hasher);
        }
        Some(hasher.finish())
    }
}

fn moves(key: &str) -> bool {
    MOVES.contains(&key)
}

impl Resource for Reported {
    type DynamicType = ();
    type Scope = NamespaceResourceScope;

    fn kind((): &()) -> Cow<'_, str> {
        ClusterNode::kind(&())
    }

    fn group((): &()) -> Cow<'_, str> {
        ClusterNode::group(&())
    }

    fn version((): &()) -> Cow<'_, str> {
        ClusterNode::version(&())
    }

    fn plural((): &()) -> Cow<'_, str> {
        ClusterNode::plural(&())
    }

    fn meta(&self) -> &ObjectMeta {
        &self.metadata
    }

    fn meta_mut(&mut self) -> &mut ObjectMeta {
        &mut self.metadata
    }
}

/// Who manages which field is most of an object's text, and nobody here asks.
fn without_managers<'de, D: serde::Deserializer<'de>>(source: D) -> Result<ObjectMeta, D::Error> {
    #[derive(Deserialize)]
    #[serde(rename_all = "camelCase")]
    struct Metadata {
        name: Option<String>,
        namespace: Option<String>,
        uid: Option<String>,
        resource_version: Option<String>,
        generation: Option<i64>,
        deletion_timestamp: Option<Time>,
        labels: Option<BTreeMap<String, String>>,
        annotations: Option<BTreeMap<String, String>>,
    }
    let kept = Metadata::deserialize(source)?;
    Ok(ObjectMeta {
        name: kept.name,
        namespace: kept.namespace,
        uid: kept.uid,
        resource_version: kept.resource_version,
        generation: kept.generation,
        deletion_timestamp: kept.deletion_timestamp,
        labels: kept.labels,
        annotations: kept.annotations,
        ..ObjectMeta::default()
    })
}

#[cfg(test)]
mod tests {
    use crds::ClusterNodeStatus;
    use serde_json::json;

    use super::*;

    fn node(change: impl FnOnce(&mut ClusterNodeStatus)) -> Reported {
        let mut status = ClusterNodeStatus {
            term: 1,
            applied_index: Some(1),
            ..ClusterNodeStatus::default()
        };
        change(&mut status);
        serde_json::from_value(json!({
            "apiVersion": "kluster.dev/v1alpha1", "kind": "ClusterNode",
            "metadata": { "name": "demo-a-0", "uid": "u", "generation": 1 }, "spec": { "cluster": "demo" },
            "status": status,
        }))
        .unwrap()
    }

    #[test]
    fn a_position_alone_is_no_news() {
        let before = node(|_| ()).news();
        let moved = node(|status| {
            status.applied_index = Some(2);
            status.committed_index = Some(2);
            status.position = Some("0.0.2".into());
            status.last_log = Some("1.2".into());
            status.digest = Some(crds::DigestStatus {
                index: 2,
                value: "00".into(),
            });
        });
        assert_eq!(before, moved.news());
        assert_ne!(before, node(|status| status.term = 2).news());
        assert_ne!(before, node(|status| status.ready = true).news());
    }

    #[test]
    fn what_moves_is_named_as_the_schema_names_it() {
        let status = serde_json::to_value(ClusterNodeStatus {
            position: Some(String::new()),
            applied_index: Some(1),
            committed_index: Some(1),
            last_log: Some(String::new()),
            digest: Some(crds::DigestStatus {
                index: 1,
                value: String::new(),
            }),
            ..ClusterNodeStatus::default()
        });
        let status = status.unwrap();
        assert!(
            MOVES.iter().all(|key| status.get(key).is_some()),
            "{status}"
        );
    }
}
