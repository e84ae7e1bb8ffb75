//! The Clusters and their played nodes.

use anyhow::{Context, Result};
use crds::{Cluster, ClusterNode, labels, names};
use futures::{StreamExt, TryStreamExt, stream};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{Namespace, Pod, ServiceAccount};
use kube::api::{Api, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::{ApiResource, GroupVersionKind};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

const NAMESPACE: &str = "fleet";
/// Requests under way at once.
const AT_ONCE: usize = 32;
/// Nodes of each Cluster.
pub const NODES: u32 = 3;

/// Clusters without machines behind them.
pub struct Fleet {
    /// The Clusters.
    pub clusters: Api<Cluster>,
    /// Their nodes.
    pub nodes: Api<ClusterNode>,
    pods: Api<Pod>,
    sets: Api<StatefulSet>,
    size: u32,
}

/// Name of a Cluster.
pub fn name(index: u32) -> String {
    format!("fleet{index:04}")
}

fn member(node: u32) -> String {
    format!("{:016x}", node + 1)
}

impl Fleet {
    /// Installs the definitions and creates `size` Clusters.
    ///
    /// # Errors
    /// When the API server refuses something.
    pub async fn create(client: Client, size: u32) -> Result<Self> {
        let named: Namespace =
            serde_json::from_value(json!({ "metadata": { "name": NAMESPACE } }))?;
        let namespaces = Api::<Namespace>::all(client.clone());
        namespaces.create(&PostParams::default(), &named).await?;
        // Every pod has one; the controller that makes it does not run here.
        let accounts = Api::<ServiceAccount>::namespaced(client.clone(), NAMESPACE);
        let account = serde_json::from_value(json!({ "metadata": { "name": "default" } }))?;
        accounts.create(&PostParams::default(), &account).await?;
        install_definitions(&client).await?;
        let fleet = Self {
            clusters: Api::namespaced(client.clone(), NAMESPACE),
            nodes: Api::namespaced(client.clone(), NAMESPACE),
            pods: Api::namespaced(client.clone(), NAMESPACE),
            sets: Api::namespaced(client.clone(), NAMESPACE),
            size,
        };
        fleet.each(|index| fleet.create_cluster(index)).await?;
        Ok(fleet)
    }

    /// Does something for every Cluster, many at once.
    async fn each<F: Future<Output = Result<()>>>(&self, act: impl Fn(u32) -> F) -> Result<()> {
        let all = stream::iter((0..self.size).map(act));
        all.buffer_unordered(AT_ONCE).try_collect().await
    }

    async fn create_cluster(&self, index: u32) -> Result<()> {
        let manifest = json!({
            "apiVersion": "kluster.dev/v1alpha1", "kind": "Cluster", "metadata": { "name": name(index) },
            "spec": { "image": "kluster-node:1", "replicas": NODES, "storage": { "size": "1Gi" } },
        });
        let cluster = serde_json::from_value(manifest)?;
        self.clusters
            .create(&PostParams::default(), &cluster)
            .await?;
        Ok(())
    }

    /// True once the operator has made the StatefulSet of every Cluster.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn is_laid_out(&self) -> Result<bool> {
        let sets = self.sets.list_metadata(&Default::default()).await?;
        Ok(sets.items.len() >= self.size as usize)
    }

    /// Makes every pod, ready, and has every node report that it is a member of a formed cluster.
    ///
    /// # Errors
    /// When the API server refuses something.
    pub async fn form(&self) -> Result<()> {
        self.each(|index| self.form_cluster(index)).await
    }

    async fn form_cluster(&self, index: u32) -> Result<()> {
        let cluster = name(index);
        let set = self
            .sets
            .get(&names::stateful_set(&cluster, names::DEFAULT_ZONE))
            .await?;
        let template = set
            .spec
            .and_then(|spec| spec.template.metadata)
            .context("a StatefulSet has a template")?;
        let labels = template.labels.clone().unwrap_or_default();
        let hash = template
            .annotations
            .unwrap_or_default()
            .remove(labels::RESTART_HASH);
        for ordinal in 0..NODES {
            let pod = names::pod(&cluster, names::DEFAULT_ZONE, ordinal);
            let object = serde_json::from_value(json!({
                "metadata": { "name": pod, "labels": labels, "annotations": { labels::RESTART_HASH: hash } },
                "spec": { "containers": [{ "name": "node", "image": "kluster-node:1" }] },
            }))?;
            let made = self.pods.create(&PostParams::default(), &object).await?;
            let ready = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
            self.pods
                .patch_status(&pod, &PatchParams::default(), &Patch::Strategic(ready))
                .await?;
            self.report(&pod, report(ordinal, &made.uid().unwrap_or_default()))
                .await?;
        }
        Ok(())
    }

    async fn report(&self, node: &str, status: Value) -> Result<()> {
        let patch = Patch::Merge(json!({ "status": status }));
        self.nodes
            .patch_status(node, &PatchParams::default(), &patch)
            .await
            .with_context(|| format!("failed to report for {node}"))?;
        Ok(())
    }

    /// A node says that its position moved, as an agent does at most every ten seconds.
    ///
    /// # Errors
    /// When the API server refuses it.
    pub async fn move_position(&self, number: u32, position: u64) -> Result<()> {
        let (index, ordinal) = (number / NODES, number % NODES);
        let node = names::pod(&name(index), names::DEFAULT_ZONE, ordinal);
        let status = json!({ "position": format!("0.0.{position}"), "appliedIndex": position });
        self.report(&node, status).await
    }

    /// How many Clusters are Ready.
    ///
    /// # Errors
    /// When the API server does not answer.
    pub async fn ready(&self) -> Result<usize> {
        let clusters = self.clusters.list(&Default::default()).await?;
        let is_ready = |cluster: &&Cluster| {
            let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
            let mut ready = conditions.filter(|told| told.type_ == "Ready");
            ready.any(|told| told.status == "True")
        };
        Ok(clusters.iter().filter(is_ready).count())
    }
}

/// What the node of that number reports, the first as the leader.
fn report(ordinal: u32, pod_uid: &str) -> Value {
    let all: Vec<String> = (0..NODES).map(member).collect();
    let mut status = json!({
        "memberId": member(ordinal), "podUid": pod_uid, "role": "Follower", "term": 1, "ready": true, "open": true,
        "clusterId": "c1".repeat(16), "leaderId": member(0), "version": "0.1.0", "position": "0.0.1",
        "publicKey": "ab".repeat(32), "peerAddress": "node.peers.fleet.svc:6356", "featureLevel": 1,
        "disk": { "usedPercent": 5, "class": "Ok", "totalBytes": 1_073_741_824 },
    });
    if ordinal == 0
        && let Value::Object(fields) = &mut status
    {
        fields.insert("role".into(), json!("Leader"));
        fields.insert("commits".into(), json!(true));
        for list in ["voters", "caughtUp", "peersReached"] {
            fields.insert(list.into(), json!(all));
        }
    }
    status
}

async fn install_definitions(client: &Client) -> Result<()> {
    let kind = GroupVersionKind::gvk("apiextensions.k8s.io", "v1", "CustomResourceDefinition");
    let api = Api::<DynamicObject>::all_with(client.clone(), &ApiResource::from_gvk(&kind));
    for manifest in crds::manifests::all()? {
        let mut definition = manifest.definition;
        if let Value::Object(fields) = &mut definition {
            fields.insert("apiVersion".into(), json!("apiextensions.k8s.io/v1"));
            fields.insert("kind".into(), json!("CustomResourceDefinition"));
        }
        let name = definition.pointer("/metadata/name").and_then(Value::as_str);
        let name = name.context("a definition has a name")?.to_owned();
        api.patch(
            &name,
            &PatchParams::apply("bench").force(),
            &Patch::Apply(&definition),
        )
        .await?;
        crate::wait::until(
            "the definitions are served",
            std::time::Duration::from_secs(30),
            async || {
                let found = api.get(&name).await?;
                let conditions = found
                    .data
                    .pointer("/status/conditions")
                    .and_then(Value::as_array);
                Ok(conditions.into_iter().flatten().any(|c| {
                    c.get("type") == Some(&json!("Established"))
                        && c.get("status") == Some(&json!("True"))
                }))
            },
        )
        .await?;
    }
    Ok(())
}
