//! The reads: a few lists by label, and single reads of names that the operator would use.

use crds::{Cluster, ClusterNode, labels, names};
use futures::future::{try_join, try_join_all};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod, Secret};
use kube::api::{Api, ListParams, PartialObjectMeta};
use kube::core::{DeserializeGuard, DynamicObject};
use kube::{Client, ResourceExt};
use serde::de::DeserializeOwned;

use super::facts::{ObjectSeen, Observed};
use super::{convert, refused};
use crate::resource::Kind;
use crate::validate::named_secrets;

/// A read failed.
#[derive(Debug, thiserror::Error)]
#[error("failed to read {what}")]
pub struct ObserveError {
    /// What was read.
    pub what: String,
    /// Why it failed.
    #[source]
    pub source: kube::Error,
}

impl ObserveError {
    /// The answer came, and is none that this operator can read: to ask again seldom mends that.
    pub fn undecodable(&self) -> bool {
        matches!(self.source, kube::Error::SerdeError(_))
    }
}

fn failed(what: impl Into<String>) -> impl FnOnce(kube::Error) -> ObserveError {
    let what = what.into();
    move |source| ObserveError { what, source }
}

/// The Cluster of that name as it is now; nothing when it is gone.
pub async fn cluster(
    client: &Client,
    namespace: &str,
    name: &str,
) -> Result<Option<DeserializeGuard<Cluster>>, ObserveError> {
    let api = Api::<DeserializeGuard<Cluster>>::namespaced(client.clone(), namespace);
    api.get_opt(name).await.map_err(failed("the Cluster"))
}

/// Everything that belongs to `cluster`, or stands where something of it should.
pub async fn observe(client: &Client, cluster: &Cluster) -> Result<Observed, ObserveError> {
    let name = cluster.name_any();
    let namespace = cluster.namespace().unwrap_or_default();
    let lists = Kind::ALL
        .into_iter()
        .filter(|kind| !matches!(kind, Kind::Secret | Kind::PersistentVolumeClaim));
    let lists = try_join_all(lists.map(|kind| list(client, &namespace, &name, kind)));
    let pods = Api::<Pod>::namespaced(client.clone(), &namespace);
    let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
    let labelled = ListParams::default().labels(&format!("{}={name}", labels::CLUSTER));
    let pods = async { pods.list(&labelled).await.map_err(failed("pods")) };
    let claims = async {
        claims
            .list(&labelled)
            .await
            .map_err(failed("volume claims"))
    };
    let (lists, (pods, claims)) = try_join(lists, try_join(pods, claims)).await?;

    let mut observed = Observed {
        pods: pods.items.iter().map(convert::pod).collect(),
        claims: claims.items.into_iter().map(convert::claim).collect(),
        ..Observed::default()
    };
    for (kind, object) in lists.into_iter().flatten() {
        match kind {
            Kind::ClusterNode => observed
                .nodes
                .push(convert::node(parse::<ClusterNode>(kind, &object)?)),
            Kind::StatefulSet => observed
                .sets
                .push(convert::set(&parse::<StatefulSet>(kind, &object)?)),
            _ => {}
        }
        observed.objects.push(convert::object(kind, &name, object));
    }
    for set in &mut observed.sets {
        refused::learn(client, &namespace, set, &observed.pods).await;
    }
    for (_, secret) in named_secrets(&cluster.spec) {
        let found = get(client, &namespace, &name, Kind::Secret, secret.to_owned()).await?;
        if found.is_none() {
            observed.absent_secrets.push(secret.to_owned());
        }
    }
    let missing: Vec<_> = expected(cluster)
        .into_iter()
        .filter(|(kind, wanted)| {
            !observed
                .objects
                .iter()
                .any(|seen| seen.kind == *kind && seen.name == *wanted)
        })
        .collect();
    let single = missing
        .into_iter()
        .map(|(kind, wanted)| get(client, &namespace, &name, kind, wanted));
    observed
        .objects
        .extend(try_join_all(single).await?.into_iter().flatten());
    Ok(observed)
}

/// Names that the operator uses for a Cluster, whatever its nodes.
fn expected(cluster: &Cluster) -> Vec<(Kind, String)> {
    let name = cluster.name_any();
    let mut zones: Vec<&str> = cluster
        .spec
        .zones
        .iter()
        .map(|zone| zone.name.as_str())
        .collect();
    if zones.is_empty() {
        zones.push(names::DEFAULT_ZONE);
    }
    let mut expected = vec![
        (Kind::Secret, names::key_secret(&name)),
        (Kind::ServiceAccount, names::node_account(&name)),
        (Kind::Role, names::node_account(&name)),
        (Kind::RoleBinding, names::node_account(&name)),
        (Kind::ConfigMap, names::config_map(&name)),
        (Kind::Service, names::client_service(&name)),
        (Kind::Service, names::peers_service(&name)),
        (Kind::NetworkPolicy, names::network_policy(&name)),
        (Kind::PodDisruptionBudget, names::disruption_budget(&name)),
    ];
    expected.extend(
        zones
            .into_iter()
            .map(|zone| (Kind::StatefulSet, names::stateful_set(&name, zone))),
    );
    expected
}

async fn list(
    client: &Client,
    namespace: &str,
    cluster: &str,
    kind: Kind,
) -> Result<Vec<(Kind, DynamicObject)>, ObserveError> {
    let api =
        Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind.api_resource());
    let labelled = ListParams::default().labels(&format!("{}={cluster}", labels::CLUSTER));
    let list = api
        .list(&labelled)
        .await
        .map_err(failed(format!("objects of kind {}", kind.name())))?;
    Ok(list
        .items
        .into_iter()
        .map(|object| (kind, object))
        .collect())
}

/// One object by name. Of a Secret only the metadata is asked for: the operator never sees a key.
async fn get(
    client: &Client,
    namespace: &str,
    cluster: &str,
    kind: Kind,
    name: String,
) -> Result<Option<ObjectSeen>, ObserveError> {
    let what = failed(format!("{} {name}", kind.name()));
    let found = if kind == Kind::Secret {
        let api = Api::<PartialObjectMeta<Secret>>::namespaced(client.clone(), namespace);
        let found = api.get_metadata_opt(&name).await.map_err(what)?;
        found.map(|secret| DynamicObject {
            types: None,
            metadata: secret.metadata,
            data: serde_json::Value::Null,
        })
    } else {
        let api =
            Api::<DynamicObject>::namespaced_with(client.clone(), namespace, &kind.api_resource());
        api.get_opt(&name).await.map_err(what)?
    };
    Ok(found.map(|object| convert::object(kind, cluster, object)))
}

fn parse<K: DeserializeOwned>(kind: Kind, object: &DynamicObject) -> Result<K, ObserveError> {
    let value = serde_json::to_value(object).map_err(kube::Error::SerdeError);
    value
        .and_then(|value| serde_json::from_value(value).map_err(kube::Error::SerdeError))
        .map_err(failed(format!("{} {}", kind.name(), object.name_any())))
}
