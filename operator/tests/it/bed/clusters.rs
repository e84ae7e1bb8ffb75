//! Clusters of a bed: making, scaling, deleting, and waiting for them.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use bytes::Bytes;
use crds::{Cluster, ClusterNode, labels};
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams};
use node_api::{Consistency, Data, WriteOptions};
use serde_json::{Value, json};

use super::stand::Bed;

/// How long a Cluster may take to become what was asked for, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(120);

/// The manifest of a Cluster over the zones `a`, `b` and `c`.
pub fn manifest(name: &str, replicas: i32) -> Value {
    let zones: Vec<Value> = ["a", "b", "c"]
        .iter()
        .map(|zone| json!({"name": zone, "nodeSelector": {"topology.kubernetes.io/zone": zone}}))
        .collect();
    json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": {"name": name},
        "spec": {
            "image": "localhost/kluster:test",
            "replicas": replicas,
            "zones": zones,
            "storage": {"size": "1Gi"},
        },
    })
}

/// Whether the condition is true of the spec as it is now.
pub fn is_true(cluster: &Cluster, condition: &str) -> bool {
    let conditions = cluster.status.iter().flat_map(|s| &s.conditions);
    let mut found = conditions.filter(|c| c.type_ == condition);
    found.any(|c| c.status == "True" && c.observed_generation == cluster.metadata.generation)
}

impl Bed {
    /// Applies a manifest as a person does.
    pub async fn apply(&self, manifest: &Value) -> Result<Cluster> {
        let name = manifest["metadata"]["name"].as_str();
        let name = name.context("a manifest has a name")?;
        let apply = PatchParams::apply("kubectl").force();
        let applied = self
            .clusters
            .patch(name, &apply, &Patch::Apply(manifest))
            .await;
        applied.context("failed to apply the manifest")
    }

    /// `kubectl scale`: through the scale subresource.
    pub async fn scale(&self, name: &str, replicas: i32) -> Result<()> {
        let scale = Patch::Merge(json!({"spec": {"replicas": replicas}}));
        self.clusters
            .patch_scale(name, &PatchParams::default(), &scale)
            .await
            .context("failed to scale")?;
        Ok(())
    }

    /// Waits until the Cluster is ready with so many nodes, all of them voters, and nothing is left to do.
    pub async fn until_ready(&self, name: &str, replicas: i32) -> Result<Cluster> {
        let what = format!("{name} is ready with {replicas} nodes");
        self.until(&what, READY_WITHIN, async || {
            let cluster = self.clusters.get(name).await?;
            let status = cluster.status.clone().unwrap_or_default();
            let counts = [
                status.replicas,
                status.ready_replicas,
                status.updated_replicas,
            ];
            let voters = status.log.map_or(0, |log| log.voters);
            Ok(is_true(&cluster, "Ready")
                && status.observed_generation == cluster.metadata.generation
                && counts == [replicas; 3]
                && voters == replicas.min(7)
                && status.operation.is_none()
                && self.nodes_of(name).await?.len() == usize::try_from(replicas)?)
        })
        .await?;
        Ok(self.clusters.get(name).await?)
    }

    /// Deletes the Cluster and waits until nothing of it runs.
    pub async fn delete(&self, name: &str) -> Result<()> {
        self.clusters.delete(name, &DeleteParams::default()).await?;
        let of_cluster = selected(name);
        self.until("nothing of the Cluster is left", READY_WITHIN, async || {
            Ok(self.clusters.get_opt(name).await?.is_none()
                && self.pods.list(&of_cluster).await?.items.is_empty()
                && self.nodes.list(&of_cluster).await?.items.is_empty())
        })
        .await
    }

    /// The ClusterNodes, by name.
    pub async fn nodes_of(&self, name: &str) -> Result<Vec<ClusterNode>> {
        let mut nodes = self.nodes.list(&selected(name)).await?.items;
        nodes.sort_by_key(ResourceExt::name_any);
        Ok(nodes)
    }

    /// The names of the Cluster's pods, in order.
    pub async fn pod_names(&self, name: &str) -> Result<Vec<String>> {
        let pods = self.pods.list(&selected(name)).await?;
        let mut names: Vec<_> = pods.iter().map(ResourceExt::name_any).collect();
        names.sort();
        Ok(names)
    }

    /// The reasons of all Events about the Cluster.
    pub async fn event_reasons(&self, name: &str) -> Result<BTreeSet<String>> {
        let events = Api::<Event>::namespaced(self.client.clone(), &self.namespace);
        let about =
            ListParams::default().fields(&format!("regarding.kind=Cluster,regarding.name={name}"));
        let events = events.list(&about).await?;
        Ok(events
            .items
            .into_iter()
            .filter_map(|event| event.reason)
            .collect())
    }

    /// A client of one node's data.
    pub fn data(&self, pod: &str) -> Result<Data> {
        let address = self.kubelet.address(pod)?;
        Ok(Data::new(&format!("http://{address}:8080"))?)
    }

    /// Writes through one node and reads through all.
    pub async fn write_and_read(&self, writer: &str, readers: &[String]) -> Result<()> {
        let key = format!("through/{writer}");
        let value = Bytes::from(format!("written through {writer}"));
        self.data(writer)?
            .put(key.as_bytes(), value.clone(), &WriteOptions::default())
            .await
            .with_context(|| format!("failed to write through {writer}"))?;
        for reader in readers {
            let found = self
                .data(reader)?
                .get(key.as_bytes(), &Consistency::Linearizable)
                .await
                .with_context(|| format!("failed to read through {reader}"))?;
            let found = found.map(|found| found.value);
            ensure!(
                found.as_ref() == Some(&value),
                "{reader} has {found:?} for what was written through {writer}"
            );
        }
        Ok(())
    }
}

fn selected(cluster: &str) -> ListParams {
    ListParams::default().labels(&format!("{}={cluster}", labels::CLUSTER))
}
