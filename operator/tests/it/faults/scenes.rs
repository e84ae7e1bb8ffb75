//! The scenes of a Cluster's life: what a person does, and when it is done.

use anyhow::Result;
use crds::{Cluster, ClusterNode, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use serde_json::{Value, json};

use super::life::{CLUSTER, Life};

const FENCED: &str = "demo-a-1";

/// One thing that a person does, and all that follows from it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Scene {
    /// A Cluster of three nodes in two zones.
    Create,
    /// From three to five.
    ScaleUp,
    /// From five to three.
    ScaleDown,
    /// Every pod is replaced once.
    Roll,
    /// Volumes grow from one to two gibibytes.
    Grow,
    /// One node gives up its vote and serves nobody.
    Fence,
    /// It comes back.
    Unfence,
    /// The Cluster goes, its volumes stay.
    Delete,
    /// A Cluster of the same name adopts them.
    Adopt,
}

impl Scene {
    /// All of them, in the order of a life.
    pub const ALL: [Scene; 9] = [
        Scene::Create,
        Scene::ScaleUp,
        Scene::ScaleDown,
        Scene::Roll,
        Scene::Grow,
        Scene::Fence,
        Scene::Unfence,
        Scene::Delete,
        Scene::Adopt,
    ];

    /// Does it.
    pub async fn act(self, life: &Life) -> Result<()> {
        match self {
            Scene::Create => apply(life, &manifest("1Gi")).await,
            Scene::Adopt => apply(life, &manifest("2Gi")).await,
            Scene::ScaleUp => change(life, json!({ "replicas": 5 })).await,
            Scene::ScaleDown => change(life, json!({ "replicas": 3 })).await,
            Scene::Roll => {
                let at = "2026-11-24T00:00:00Z";
                change(life, json!({ "updates": { "restartedAt": at } })).await
            }
            Scene::Grow => change(life, json!({ "storage": { "size": "2Gi" } })).await,
            Scene::Fence => fence(life, json!([FENCED])).await,
            Scene::Unfence => fence(life, json!([])).await,
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
            Scene::ScaleUp => is_settled(life, 5, 5).await,
            Scene::Fence => is_settled(life, 3, 2).await,
            Scene::Create
            | Scene::ScaleDown
            | Scene::Roll
            | Scene::Grow
            | Scene::Unfence
            | Scene::Adopt => is_settled(life, 3, 3).await,
            Scene::Delete => is_gone(life).await,
        }
    }
}

/// The Cluster of every play, with volumes of this size.
pub fn manifest(size: &str) -> Value {
    json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": CLUSTER },
        "spec": {
            "image": "kluster:test",
            "replicas": 3,
            "zones": [{ "name": "a" }, { "name": "b" }],
            "storage": { "size": size },
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

async fn fence(life: &Life, nodes: Value) -> Result<()> {
    change(life, json!({ "operations": { "fencedNodes": nodes } })).await
}

async fn change(life: &Life, spec: Value) -> Result<()> {
    let patch = Patch::Merge(json!({ "spec": spec }));
    life.clusters
        .patch(CLUSTER, &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// True once the Cluster is ready with so many pods and so many voters that serve, and nothing is under way.
async fn is_settled(life: &Life, pods: i32, voters: i32) -> Result<bool> {
    let cluster = life.clusters.get(CLUSTER).await?;
    let status = cluster.status.clone().unwrap_or_default();
    let settled = holds(&cluster, "Ready", "True") && holds(&cluster, "Progressing", "False");
    let counts = [
        status.replicas,
        status.updated_replicas,
        status.ready_replicas,
        status.log.map_or(0, |log| log.voters),
    ];
    Ok(settled
        && status.operation.is_none()
        && status.observed_generation == cluster.metadata.generation
        && counts == [pods, pods, voters, voters]
        && all_are_owned(life).await?)
}

/// True once the StatefulSets have adopted every pod that was left to them.
async fn all_are_owned(life: &Life) -> Result<bool> {
    let of_cluster = ListParams::default().labels(labels::CLUSTER);
    let pods = Api::<Pod>::namespaced(life.client.clone(), &life.namespace);
    let pods = pods.list(&of_cluster).await?;
    Ok(pods
        .iter()
        .all(|pod| pod.metadata.owner_references.is_some()))
}

/// True once nothing is under way and the operator is silent.
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
