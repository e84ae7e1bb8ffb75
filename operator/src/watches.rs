//! When to look: streams that name the Cluster an object belongs to. They carry metadata alone where that is enough,
//! and a change of a node's position alone names nobody.

use std::fmt::Debug;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

use crds::{Cluster, ClusterNode, ClusterNodeStatus, labels};
use futures::{Stream, StreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ConfigMap, PersistentVolumeClaim, Pod, Service, ServiceAccount};
use k8s_openapi::api::networking::v1::NetworkPolicy;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::api::rbac::v1::{Role, RoleBinding};
use kube::api::PartialObjectMeta;
use kube::core::{DeserializeGuard, NamespaceResourceScope};
use kube::runtime::reflector::{ObjectRef, Store, store};
use kube::runtime::utils::Backoff;
use kube::runtime::{Controller, Predicate, PredicateConfig, WatchStreamExt, predicates, watcher};
use kube::{Api, Client, Resource, ResourceExt};
use serde::de::DeserializeOwned;

/// What is reconciled. The guard keeps one Cluster that cannot be read from stopping the watch of the others.
pub type Guarded = DeserializeGuard<Cluster>;

/// Where to look.
#[derive(Clone)]
pub struct Scope {
    /// The client.
    pub client: Client,
    /// The one namespace; all when nothing.
    pub namespace: Option<String>,
}

impl Scope {
    fn api<K>(&self) -> Api<K>
    where
        K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>,
    {
        match &self.namespace {
            Some(namespace) => Api::namespaced(self.client.clone(), namespace),
            None => Api::all(self.client.clone()),
        }
    }
}

/// A watch that failed waits by itself. The controller would have all of them wait for each that fails, longer each
/// time: after an API server was started again and all failed at once, it would hear of nothing for minutes.
struct AtOnce;

impl Iterator for AtOnce {
    type Item = Duration;

    fn next(&mut self) -> Option<Duration> {
        Some(Duration::ZERO)
    }
}

impl Backoff for AtOnce {
    fn reset(&mut self) {}
}

/// A controller of Clusters that hears of everything that belongs to one.
pub fn controller(scope: &Scope) -> (Controller<Guarded>, Store<Guarded>) {
    let (reader, writer) = store();
    let clusters = watcher(
        scope.api::<Guarded>(),
        watcher::Config::default().streaming_lists(),
    )
    .default_backoff()
    .modify(|cluster| cluster.managed_fields_mut().clear())
    .reflect(writer)
    .touched_objects()
    .predicate_filter(
        predicates::generation
            .combine(predicates::finalizers)
            .combine(predicates::annotations),
        PredicateConfig::default(),
    );
    let controller = Controller::for_stream(clusters, reader.clone())
        .trigger_backoff(AtOnce)
        .watches_stream(nodes(scope), |node| owner(&node))
        .watches_stream(pods(scope), |pod| owner(&pod))
        .watches_stream(changes::<PersistentVolumeClaim>(scope), |object| {
            owner(&object)
        })
        .watches_stream(changes::<StatefulSet>(scope), |object| owner(&object))
        .watches_stream(changes::<Service>(scope), |object| owner(&object))
        .watches_stream(changes::<ConfigMap>(scope), |object| owner(&object))
        .watches_stream(changes::<ServiceAccount>(scope), |object| owner(&object))
        .watches_stream(changes::<Role>(scope), |object| owner(&object))
        .watches_stream(changes::<RoleBinding>(scope), |object| owner(&object))
        .watches_stream(changes::<PodDisruptionBudget>(scope), |object| {
            owner(&object)
        })
        .watches_stream(changes::<NetworkPolicy>(scope), |object| owner(&object));
    (controller, reader)
}

fn ours() -> watcher::Config {
    watcher::Config::default()
        .labels(&format!("{}={}", labels::MANAGED_BY, labels::OPERATOR))
        .streaming_lists()
}

/// The Cluster that an object belongs to.
fn owner(object: &impl ResourceExt) -> Option<ObjectRef<Guarded>> {
    let cluster = object.labels().get(labels::CLUSTER)?;
    Some(ObjectRef::new(cluster).within(&object.namespace()?))
}

/// Every change of the objects of one kind, metadata only.
fn changes<K>(
    scope: &Scope,
) -> impl Stream<Item = Result<PartialObjectMeta<K>, watcher::Error>> + Send + use<K>
where
    K: Resource<Scope = NamespaceResourceScope, DynamicType = ()>
        + Clone
        + Debug
        + DeserializeOwned
        + Send
        + 'static,
{
    watcher(scope.api::<PartialObjectMeta<K>>(), ours())
        .default_backoff()
        .touched_objects()
        .predicate_filter(predicates::resource_version, PredicateConfig::default())
        .boxed()
}

/// Changes of pods that a plan looks at.
fn pods(scope: &Scope) -> impl Stream<Item = Result<Pod, watcher::Error>> + Send + use<> {
    watcher(scope.api::<Pod>(), ours())
        .default_backoff()
        .modify(|pod| pod.managed_fields_mut().clear())
        .touched_objects()
        .predicate_filter(predicates::resource_version, PredicateConfig::default())
        .boxed()
}

/// Changes of ClusterNodes, but for those that only the position makes.
fn nodes(
    scope: &Scope,
) -> impl Stream<Item = Result<DeserializeGuard<ClusterNode>, watcher::Error>> + Send + use<> {
    watcher(scope.api::<DeserializeGuard<ClusterNode>>(), ours())
        .default_backoff()
        .modify(|node| node.managed_fields_mut().clear())
        .touched_objects()
        .predicate_filter(all_but_position, PredicateConfig::default())
        .boxed()
}

/// A hash of a ClusterNode without what moves with every write; the version where it cannot be read.
fn all_but_position(node: &DeserializeGuard<ClusterNode>) -> Option<u64> {
    let mut hasher = DefaultHasher::new();
    match &node.0 {
        Err(_) => node.meta().resource_version.hash(&mut hasher),
        Ok(node) => {
            let metadata = &node.metadata;
            (
                &metadata.uid,
                &metadata.generation,
                &metadata.deletion_timestamp.is_some(),
            )
                .hash(&mut hasher);
            (&metadata.labels, &metadata.annotations).hash(&mut hasher);
            let still = node.status.as_ref().map(|status| ClusterNodeStatus {
                position: None,
                applied_index: None,
                committed_index: None,
                last_log: None,
                digest: None,
                ..status.clone()
            });
            serde_json::to_string(&still)
                .unwrap_or_default()
                .hash(&mut hasher);
        }
    }
    Some(hasher.finish())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(change: impl FnOnce(&mut ClusterNodeStatus)) -> DeserializeGuard<ClusterNode> {
        let mut status = ClusterNodeStatus {
            term: 1,
            applied_index: Some(1),
            ..ClusterNodeStatus::default()
        };
        change(&mut status);
        let mut node: ClusterNode = serde_json::from_value(serde_json::json!({
            "apiVersion": "kluster.dev/v1alpha1", "kind": "ClusterNode",
            "metadata": { "name": "demo-a-0", "uid": "u", "generation": 1 }, "spec": { "cluster": "demo" },
        }))
        .unwrap();
        node.status = Some(status);
        DeserializeGuard(Ok(node))
    }

    #[test]
    fn a_position_alone_is_no_change() {
        let before = all_but_position(&node(|_| ()));
        let moved = node(|status| {
            status.applied_index = Some(2);
            status.position = Some("0.0.2".into());
        });
        assert_eq!(before, all_but_position(&moved));
        assert_ne!(before, all_but_position(&node(|status| status.term = 2)));
        assert_ne!(
            before,
            all_but_position(&node(|status| status.ready = true))
        );
    }
}
