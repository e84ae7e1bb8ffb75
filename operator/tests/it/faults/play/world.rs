//! The hands themselves: they watch a namespace, and write what kubelets, volumes and agents would.

use std::collections::BTreeMap;

use anyhow::{Context, Result, bail};
use crds::{ClusterNode, labels, names};
use futures::FutureExt;
use futures::stream::{BoxStream, StreamExt, select_all};
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use kube::api::{Api, Patch, PatchParams};
use kube::core::NamespaceResourceScope;
use kube::runtime::reflector::{Store, store};
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::log::{Log, Running};
use super::report::status;

/// Plays the nodes of one Cluster for as long as it lives.
pub struct World {
    task: JoinHandle<Result<()>>,
}

impl World {
    /// Begins to play the nodes of the one Cluster of a namespace.
    pub fn start(client: &Client, namespace: &str) -> World {
        let (pods, changed_pods) = watched::<Pod>(client, namespace);
        let (nodes, changed_nodes) = watched::<ClusterNode>(client, namespace);
        let (claims, changed_claims) = watched::<PersistentVolumeClaim>(client, namespace);
        let hands = Hands {
            apis: Apis {
                pods: Api::namespaced(client.clone(), namespace),
                nodes: Api::namespaced(client.clone(), namespace),
                claims: Api::namespaced(client.clone(), namespace),
            },
            pods,
            nodes,
            claims,
            log: Log::default(),
            disks: BTreeMap::new(),
        };
        let changes = select_all([changed_pods, changed_nodes, changed_claims]);
        World {
            task: tokio::spawn(hands.play(changes)),
        }
    }

    /// An error where the hands have stopped.
    pub fn check(&self) -> Result<()> {
        if self.task.is_finished() {
            bail!("nobody plays the nodes any more");
        }
        Ok(())
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.task.abort();
    }
}

type Changes = BoxStream<'static, Result<()>>;

fn watched<K>(client: &Client, namespace: &str) -> (Store<K>, Changes)
where
    K: kube::Resource<DynamicType = (), Scope = NamespaceResourceScope>
        + Clone
        + std::fmt::Debug
        + DeserializeOwned
        + Send
        + Sync
        + 'static,
{
    let api = Api::<K>::namespaced(client.clone(), namespace);
    let (reader, writer) = store();
    let changes = watcher(api, watcher::Config::default().labels(labels::CLUSTER))
        .default_backoff()
        .reflect(writer)
        .touched_objects()
        .map(|change| change.map(drop).context("failed to watch"));
    (reader, changes.boxed())
}

/// What is on one volume.
struct Disk {
    member: String,
    /// How many ids were drawn for it.
    draws: usize,
    /// True once it holds the cluster's data.
    joined: bool,
    /// The pod that reads it.
    pod: String,
}

struct Apis {
    pods: Api<Pod>,
    nodes: Api<ClusterNode>,
    claims: Api<PersistentVolumeClaim>,
}

struct Hands {
    apis: Apis,
    pods: Store<Pod>,
    nodes: Store<ClusterNode>,
    claims: Store<PersistentVolumeClaim>,
    log: Log,
    /// By UID of the claim.
    disks: BTreeMap<String, Disk>,
}

impl Hands {
    async fn play(
        mut self,
        mut changes: impl futures::Stream<Item = Result<()>> + Unpin,
    ) -> Result<()> {
        while let Some(change) = changes.next().await {
            if let Err(error) = change {
                // The watch begins anew by itself.
                eprintln!("{error:#}");
            }
            while changes.next().now_or_never().flatten().is_some() {}
            if let Err(error) = self.turn().await {
                eprintln!("the hands fail: {error:#}");
                return Err(error);
            }
        }
        bail!("the watches ended")
    }

    async fn turn(&mut self) -> Result<()> {
        for claim in self.claims.state() {
            self.play_volume(&claim).await?;
        }
        let pods: BTreeMap<String, (std::sync::Arc<Pod>, Running)> = self
            .pods
            .state()
            .into_iter()
            .filter(|pod| pod.metadata.deletion_timestamp.is_none())
            .filter_map(|pod| {
                let running = self.start(&pod)?;
                Some((pod.name_any(), (pod, running)))
            })
            .collect();
        let running: Vec<Running> = pods.values().map(|(_, running)| running.clone()).collect();
        let nodes = self.nodes.state();
        let wishes: Vec<_> = nodes.iter().map(|node| node.spec.clone()).collect();
        self.log.settle(&running, &wishes);
        for disk in self.disks.values_mut() {
            disk.joined |= self.log.is_member(&disk.member);
        }
        for (name, (pod, process)) in &pods {
            let node = nodes.iter().find(|node| node.name_any() == *name);
            let joined = self
                .disks
                .values()
                .any(|disk| disk.member == process.member && disk.joined);
            let mut ready = false;
            if let Some(node) = node {
                let generation = node.metadata.generation;
                let status = status(process, &node.spec, generation, joined, &self.log, &running);
                ready = status["ready"] == true;
                self.report(node, &status).await?;
            }
            self.play_kubelet(pod, ready).await?;
        }
        Ok(())
    }

    /// The process of a pod whose volume exists reads its disk; one that was removed draws a new id.
    fn start(&mut self, pod: &Pod) -> Option<Running> {
        let (name, uid) = (pod.name_any(), pod.uid()?);
        let claim = names::volume_claim(&name);
        let claim = self
            .claims
            .state()
            .into_iter()
            .find(|known| known.name_any() == claim)?
            .uid()?;
        let draw = |draws: usize| operator::resource::hash(&json!([name, draws]));
        let disk = self.disks.entry(claim).or_insert_with(|| Disk {
            member: draw(0),
            draws: 1,
            joined: false,
            pod: uid.clone(),
        });
        if disk.pod != uid {
            disk.pod.clone_from(&uid);
            if self.log.removed.contains(&disk.member) {
                disk.member = draw(disk.draws);
                disk.draws += 1;
                disk.joined = false;
            }
        }
        Some(Running {
            member: disk.member.clone(),
            pod: uid,
        })
    }

    async fn play_volume(&self, claim: &PersistentVolumeClaim) -> Result<()> {
        let wanted = claim
            .spec
            .as_ref()
            .and_then(|spec| spec.resources.as_ref()?.requests.as_ref()?.get("storage"));
        let status = claim.status.as_ref();
        let has = status.and_then(|status| status.capacity.as_ref()?.get("storage"));
        let bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound");
        if bound && has == wanted {
            return Ok(());
        }
        let patch = json!({ "status": { "phase": "Bound", "accessModes": ["ReadWriteOnce"], "capacity": { "storage": wanted } } });
        let patch = Patch::Merge(patch);
        let name = claim.name_any();
        gone_is_fine(
            self.apis
                .claims
                .patch_status(&name, &PatchParams::default(), &patch)
                .await,
        )
    }

    async fn report(&self, node: &ClusterNode, status: &Value) -> Result<()> {
        let before = serde_json::to_value(&node.status)?;
        let news = status
            .as_object()
            .into_iter()
            .flatten()
            .any(|(key, value)| before.get(key).unwrap_or(&Value::Null) != value);
        if !news {
            return Ok(());
        }
        // With its UID: the report is for this object, and for no later one of its name.
        let patch = json!({ "metadata": { "uid": node.uid() }, "status": status });
        let patch = Patch::Merge(patch);
        let name = node.name_any();
        gone_is_fine(
            self.apis
                .nodes
                .patch_status(&name, &PatchParams::default(), &patch)
                .await,
        )
    }

    async fn play_kubelet(&self, pod: &Pod, ready: bool) -> Result<()> {
        let status = if ready { "True" } else { "False" };
        let conditions = pod
            .status
            .as_ref()
            .and_then(|status| status.conditions.as_deref());
        let known = conditions
            .unwrap_or_default()
            .iter()
            .any(|known| known.type_ == "Ready" && known.status == status);
        if known {
            return Ok(());
        }
        let patch = json!({
            "metadata": { "uid": pod.uid() },
            "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": status }] },
        });
        let patch = Patch::Strategic(patch);
        let name = pod.name_any();
        gone_is_fine(
            self.apis
                .pods
                .patch_status(&name, &PatchParams::default(), &patch)
                .await,
        )
    }
}

/// An object that is gone, or another one of its name by now, needs no status.
fn gone_is_fine<T>(written: kube::Result<T>) -> Result<()> {
    match written {
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409 | 422) => Ok(()),
        other => other.map(drop).context("failed to play a status"),
    }
}
