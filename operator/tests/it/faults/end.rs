//! What is there at the end of a scene: every object of the namespace, without what differs from life to life.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Result, ensure};
use crds::labels;
use crds::names::volume_claim;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use kube::core::{ApiResource, DynamicObject, GroupVersionKind};
use operator::resource::Kind;
use serde_json::{Map, Value, json};

use super::life::Life;
use crate::bed::OPERATOR;

/// Fields that the API server or chance fills, wherever they stand. Which node leads, and in which term, is the
/// nodes' own matter.
const DRAWN: [&str; 17] = [
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "managedFields",
    "generation",
    "observedGeneration",
    "lastTransitionTime",
    "namespace",
    "clusterIP",
    "clusterIPs",
    "leader",
    "leaderId",
    "term",
    "position",
    "controller-revision-hash",
    "kubectl.kubernetes.io/last-applied-configuration",
    labels::HASH,
];
/// Volumes that the API server gives to every pod, under a drawn name.
const TOKEN_VOLUME: &str = "kube-api-access-";

/// The objects of every kind that the operator writes or causes.
async fn objects(life: &Life) -> Result<Vec<DynamicObject>> {
    let others = [("", "Pod"), ("kluster.dev", "Cluster")].map(|(group, kind)| {
        let version = if group.is_empty() { "v1" } else { "v1alpha1" };
        ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind))
    });
    let written = Kind::ALL.map(Kind::api_resource);
    let lists = written.into_iter().chain(others).map(async |resource| {
        let api =
            Api::<DynamicObject>::namespaced_with(life.client.clone(), &life.namespace, &resource);
        let list = api.list(&ListParams::default()).await?.items;
        anyhow::Ok(list.into_iter().map(move |mut object| {
            object.types = Some(kube::core::TypeMeta {
                api_version: resource.api_version.clone(),
                kind: resource.kind.clone(),
            });
            object
        }))
    });
    let lists = futures::future::try_join_all(lists).await?;
    Ok(lists
        .into_iter()
        .flatten()
        .filter(|object| !object.name_any().starts_with(OPERATOR))
        .collect())
}

/// What is there, by kind and name.
pub async fn of(life: &Life) -> Result<Value> {
    let mut end = Map::new();
    for object in objects(life).await? {
        let kind = object.types.as_ref().map(|types| types.kind.clone());
        let kind = kind.unwrap_or_default();
        let mut value = serde_json::to_value(&object)?;
        forget(&mut value, &life.namespace);
        forget_reports(&kind, &mut value);
        end.insert(format!("{kind} {}", object.name_any()), value);
    }
    level_epochs(&mut end);
    let mut end = Value::Object(end);
    let mut known = Vec::new();
    number_templates(&mut end, &mut known);
    Ok(end)
}

/// Without what is drawn, and without the name of the namespace.
fn forget(value: &mut Value, namespace: &str) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !DRAWN.contains(&key.as_str()));
            fields
                .values_mut()
                .for_each(|below| forget(below, namespace));
        }
        Value::Array(items) => {
            items.retain(|item| {
                let name = item.get("name").and_then(Value::as_str);
                !name.is_some_and(|name| name.starts_with(TOKEN_VOLUME))
            });
            items.iter_mut().for_each(|item| forget(item, namespace));
        }
        Value::String(text) => *text = text.replace(namespace, "<namespace>"),
        _ => {}
    }
}

/// Without what hands and controllers report, but for what the operator has to wait for.
fn forget_reports(kind: &str, value: &mut Value) {
    let kept = match kind {
        "ClusterNode" => json!({ "ready": value["status"]["ready"] }),
        "Pod" => json!({ "conditions": value["status"]["conditions"] }),
        "Cluster" | "PersistentVolumeClaim" => return,
        _ => Value::Null,
    };
    if let Value::Object(fields) = value {
        fields.insert("status".to_owned(), kept);
        if kind == "Secret" {
            let keys = |data: &Value| {
                data.as_object()
                    .map(|data| data.keys().cloned().collect::<Vec<_>>())
            };
            let keys = fields.get("data").and_then(keys);
            fields.insert("data".to_owned(), json!(keys));
        }
    }
}

/// Epochs rise by one more where a wish was remembered by the volume and then not written. What counts is that in the
/// end both say the same; a retired volume has no wish beside it.
fn level_epochs(end: &mut Map<String, Value>) {
    let wishes: BTreeMap<String, String> = end
        .iter()
        .filter_map(|(key, object)| {
            let node = key.strip_prefix("ClusterNode ")?;
            Some((volume_claim(node), object["spec"]["epoch"].to_string()))
        })
        .collect();
    for (key, object) in end.iter_mut() {
        if let Some(claim) = key.strip_prefix("PersistentVolumeClaim ") {
            let annotation = &mut object["metadata"]["annotations"][labels::EPOCH];
            let same = annotation.as_str() == wishes.get(claim).map(String::as_str);
            let level = if same { "as wished" } else { "of old" };
            *annotation = json!(level);
        } else if key.starts_with("ClusterNode ") {
            object["spec"]["epoch"] = Value::Null;
        }
    }
}

/// A template's hash holds the namespace: what counts is which are equal.
fn number_templates(value: &mut Value, known: &mut Vec<String>) {
    match value {
        Value::Object(fields) => {
            for (key, below) in fields.iter_mut() {
                if let (labels::RESTART_HASH, Value::String(hash)) = (key.as_str(), &*below) {
                    let number = known.iter().position(|one| one == hash).unwrap_or_else(|| {
                        known.push(hash.clone());
                        known.len() - 1
                    });
                    *below = json!(number);
                } else {
                    number_templates(below, known);
                }
            }
        }
        Value::Array(items) => items
            .iter_mut()
            .for_each(|item| number_templates(item, known)),
        _ => {}
    }
}

/// Where two ends differ, as text.
pub fn differences(wanted: &Value, found: &Value) -> Vec<String> {
    let mut told = Vec::new();
    compare("", wanted, found, &mut told);
    told
}

fn compare(path: &str, wanted: &Value, found: &Value, told: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(a), Value::Object(b)) => {
            let keys: BTreeSet<&String> = a.keys().chain(b.keys()).collect();
            for key in keys {
                let at = |of: &Map<String, Value>| of.get(key).cloned().unwrap_or_default();
                compare(&format!("{path}/{key}"), &at(a), &at(b), told);
            }
        }
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => {
            for (index, (a, b)) in a.iter().zip(b).enumerate() {
                compare(&format!("{path}/{index}"), a, b, told);
            }
        }
        (a, b) if a != b => told.push(format!("{path}: wanted {a}, found {b}")),
        _ => {}
    }
}

/// Every object but volumes has an owner that exists, and the labels of its Cluster.
pub async fn check_nothing_is_orphaned(life: &Life) -> Result<()> {
    let objects = objects(life).await?;
    let uids: BTreeSet<String> = objects.iter().filter_map(ResourceExt::uid).collect();
    for object in &objects {
        let kind = object.types.as_ref().map(|types| types.kind.as_str());
        let kind = kind.unwrap_or_default();
        if kind == "Cluster" {
            continue;
        }
        let name = object.name_any();
        ensure!(
            object.labels().get(labels::CLUSTER).is_some()
                && object.labels().get(labels::MANAGED_BY).is_some(),
            "{kind} {name} has no labels"
        );
        let owned = object
            .owner_references()
            .iter()
            .any(|owner| owner.controller == Some(true) && uids.contains(&owner.uid));
        ensure!(
            owned || kind == "PersistentVolumeClaim",
            "{kind} {name} has no owner: {:?}",
            object.owner_references()
        );
    }
    Ok(())
}

/// The UIDs of the volume claims, none of which is being deleted.
pub async fn check_volumes(life: &Life) -> Result<BTreeMap<String, String>> {
    let resource = Kind::PersistentVolumeClaim.api_resource();
    let api =
        Api::<DynamicObject>::namespaced_with(life.client.clone(), &life.namespace, &resource);
    let claims = api.list(&ListParams::default()).await?.items;
    for claim in &claims {
        ensure!(
            claim.metadata.deletion_timestamp.is_none(),
            "the volume claim {} is being deleted",
            claim.name_any()
        );
    }
    Ok(claims
        .into_iter()
        .map(|claim| (claim.name_any(), claim.uid().unwrap_or_default()))
        .collect())
}
