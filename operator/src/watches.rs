//! When to look: streams that name the Cluster an object belongs to. They carry metadata alone where that is enough,
//! and a change of a node's position alone names nobody.

use std::fmt::Debug;
use std::time::Duration;

use crds::{Cluster, labels};
use futures::{Stream, StreamExt, TryStreamExt};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{
    ConfigMap, Event, PersistentVolumeClaim, Pod, Service, ServiceAccount,
};
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

use crate::deletions::{unlike_before, without_late};
use crate::observe::FAILED;
use crate::reported::Reported;

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
    .modify(|cluster| cluster.managed_fields_mut().clear());
    let clusters = without_late(clusters)
        .reflect(writer)
        .map_ok(unlike_before)
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
        .watches_stream(changes::<Pod>(scope), |object| owner(&object))
        .watches_stream(changes::<PersistentVolumeClaim>(scope), |object| {
            owner(&object)
        })
        .watches_stream(changes::<StatefulSet>(scope), |object| owner(&object))
        .watches_stream(refusals(scope), |event| owner_of_set(&event))
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

/// Pods, or their volume claims, that the API server would not have for a StatefulSet: Kubernetes tells of it in Events alone.
fn refusals(scope: &Scope) -> impl Stream<Item = Result<Event, watcher::Error>> + Send + use<> {
    let about = format!("involvedObject.kind=StatefulSet,reason={FAILED}");
    watcher(
        scope.api::<Event>(),
        watcher::Config::default().fields(&about).streaming_lists(),
    )
    .default_backoff()
    .applied_objects()
    .boxed()
}

/// The Cluster that the StatefulSet of an Event belongs to, by its name; one of somebody else's names a Cluster that is not.
fn owner_of_set(event: &Event) -> Option<ObjectRef<Guarded>> {
    let set = &event.involved_object;
    let (cluster, _zone) = set.name.as_deref()?.rsplit_once('-')?;
    Some(ObjectRef::new(cluster).within(set.namespace.as_deref()?))
}

/// Changes of ClusterNodes, but for those that only the position makes.
fn nodes(scope: &Scope) -> impl Stream<Item = Result<Reported, watcher::Error>> + Send + use<> {
    watcher(scope.api::<Reported>(), ours())
        .default_backoff()
        .map_ok(unlike_before)
        .touched_objects()
        .predicate_filter(Reported::news, PredicateConfig::default())
        .boxed()
}
