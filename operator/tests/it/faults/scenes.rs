//! The scenes of a Cluster's life: what a person does, and when it is done.

use anyhow::Result;
use crds::{Cluster, ClusterNode, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::life::{CLUSTER, Life};

/// One thing that a person does, and all that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A Cluster of three nodes in two zones.
    Create,
    /// From three to five.
    ScaleUp,
    /// From five to three.
    ScaleDown,
    /// The Cluster goes, its volumes stay.
    Delete,
    /// A Cluster of the same name adopts them.
    Adopt,
}

impl Scene {
    /// All of them, in the order of a life.
    pub const ALL: [Scene; 5] = [
        Scene::Create,
        Scene::ScaleUp,
        Scene::ScaleDown,
        Scene::Delete,
        Scene::Adopt,
    ];

    /// Does it.
    pub async fn act(self, life: &Life) -> Result<()> {
        match self {
            Scene::Create | Scene::Adopt => apply(life, &manifest()).await,
            Scene::ScaleUp => change(life, json!({ "replicas": 5 })).await,
            Scene::ScaleDown => change(life, json!({ "replicas": 3 })).await,
            Scene::Delete => {
                life.clusters
                    .delete(CLUSTER, &DeleteParams::background())
                    .await?;
                Ok(())
            }
        }
    }

    /// True once the Cluster says that all of it is done.
    pub async fn is_over(self, life: &Life) -> Result<bool> {
        match self {
            Scene::Create | Scene::Adopt | Scene::ScaleDown => is_settled(life, 3).await,
            Scene::ScaleUp => is_settled(life, 5).await,
            Scene::Delete => is_gone(life).await,
        }
    }
}

/// The Cluster of every play.
pub fn manifest() -> Value {
    json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": CLUSTER },
        "spec": {
            "image": "kluster:test",
            "replicas": 3,
            "zones": [{ "name": "a" }, { "name": "b" }],
            "storage": { "size": "1Gi" },
        },
    })
}

/// Applies a manifest as a person does.
pub async fn apply(life: &Life, manifest: &Value) -> Result<()> {
    let forced = PatchParams::apply("kubectl").force();
    life.clusters
        .patch(CLUSTER, &forced, &Patch::Apply(manifest))
        .await?;
    Ok(())
}

async fn change(life: &Life, spec: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    life.clusters
        .patch(CLUSTER, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// True once the Cluster is ready with so many nodes, and nothing is under way.
pub async fn is_settled(life: &Life, replicas: i32) -> Result<bool> {
    let cluster = life.clusters.get(CLUSTER).await?;
    let status = cluster.status.clone().unwrap_or_default();
    let settled = holds(&cluster, "Ready", "True") && holds(&cluster, "Progressing", "False");
    let counts = [
        status.replicas,
        status.ready_replicas,
        status.log.map_or(0, |log| log.voters),
    ];
    Ok(settled
        && status.operation.is_none()
        && status.observed_generation == cluster.metadata.generation
        && counts == [replicas; 3])
}

/// True once nothing is under way, however many nodes are ready, and the operator is silent.
pub async fn is_at_rest(life: &Life) -> Result<bool> {
    life.check()?;
    let cluster = life.clusters.get(CLUSTER).await?;
    let status = cluster.status.unwrap_or_default();
    let rests =
        status.operation.is_none() && status.observed_generation == cluster.metadata.generation;
    Ok(rests && life.is_silent().await)
}

/// Whether the condition has this status for the spec as it is now.
fn holds(cluster: &Cluster, type_: &str, wanted: &str) -> bool {
    let mut conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    conditions.any(|known| {
        known.type_ == type_
            && known.status == wanted
            && known.observed_generation == cluster.metadata.generation
    })
}

async fn is_gone(life: &Life) -> Result<bool> {
    let of_cluster = ListParams::default().labels(labels::CLUSTER);
    let (client, namespace) = (&life.client, &life.namespace);
    let pods = Api::<Pod>::namespaced(client.clone(), namespace);
    let nodes = Api::<ClusterNode>::namespaced(client.clone(), namespace);
    let sets = Api::<StatefulSet>::namespaced(client.clone(), namespace);
    Ok(life.clusters.get_opt(CLUSTER).await?.is_none()
        && pods.list(&of_cluster).await?.items.is_empty()
        && nodes.list(&of_cluster).await?.items.is_empty()
        && sets.list(&of_cluster).await?.items.is_empty())
}
