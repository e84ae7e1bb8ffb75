//! Persistent volumes: made when a pod first needs them, on the node it goes to, and removed with their claim.
//!
//! Binding a claim to its volume is left to the controller manager, as in any Kubernetes.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::StorageClass;
use kube::api::{Api, DeleteParams, ListParams, PostParams};
use kube::{Resource, ResourceExt};
use serde::de::DeserializeOwned;
use serde_json::json;

use super::nodes::HOSTNAME;
use super::shared::{LABEL, Shared};

/// Name of the StorageClass that the stand-in serves; the default one.
pub(super) const CLASS: &str = "stand-in";
const PROVISIONER: &str = "kluster.dev/stand-in-kubelet";

/// Makes the StorageClass unless another stand-in did.
pub(super) async fn make_class(shared: &Shared) -> Result<()> {
    let class: StorageClass = object(json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {
            "name": CLASS,
            "annotations": {"storageclass.kubernetes.io/is-default-class": "true"},
        },
        "provisioner": PROVISIONER,
        "volumeBindingMode": "WaitForFirstConsumer",
        "reclaimPolicy": "Delete",
    }))?;
    let classes = Api::<StorageClass>::all(shared.client.clone());
    create(&classes, &class).await
}

/// What is known of a pod's claims.
#[derive(Debug, Default)]
pub(super) struct Claims {
    /// Claims that have no volume yet.
    pub unbound: Vec<PersistentVolumeClaim>,
    /// The node that holds a volume of the pod already.
    pub node: Option<String>,
}

/// Looks at the claims of these names. An error if one of them does not exist.
pub(super) async fn look(shared: &Shared, names: &[String]) -> Result<Claims> {
    let claims = Api::<PersistentVolumeClaim>::namespaced(shared.client.clone(), &shared.namespace);
    let volumes = Api::<PersistentVolume>::all(shared.client.clone());
    let mut found = Claims::default();
    for name in names {
        let claim = claims
            .get_opt(name)
            .await?
            .with_context(|| format!("the claim {name} does not exist"))?;
        let phase = claim.status.as_ref().and_then(|s| s.phase.as_deref());
        let volume = volume_name(&claim);
        if let Some(volume) = volumes.get_opt(&volume).await? {
            found.node = volume.labels().get(HOSTNAME).cloned();
        }
        if phase != Some("Bound") {
            found.unbound.push(claim);
        }
    }
    Ok(found)
}

/// Makes a volume for the claim on the node; the claim names it once the controller manager has bound the two.
pub(super) async fn provision(
    shared: &Shared,
    claim: &PersistentVolumeClaim,
    node: &str,
) -> Result<()> {
    let spec = claim.spec.clone().unwrap_or_default();
    let name = volume_name(claim);
    let folder = shared.volume_folder(&name);
    std::fs::create_dir_all(&folder)
        .with_context(|| format!("failed to make {}", folder.display()))?;
    let requests = spec.resources.and_then(|r| r.requests).unwrap_or_default();
    let capacity: BTreeMap<_, _> = requests.into_iter().collect();
    let volume: PersistentVolume = object(json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {
            "name": name,
            "labels": {(LABEL): shared.namespace, (HOSTNAME): node},
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONER},
        },
        "spec": {
            "accessModes": spec.access_modes,
            "capacity": capacity,
            "storageClassName": CLASS,
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": claim.name_any(),
                "namespace": shared.namespace,
                "uid": claim.uid(),
            },
            "local": {"path": folder},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": HOSTNAME, "operator": "In", "values": [node]},
            ]}]}},
        },
    }))?;
    let volumes = Api::<PersistentVolume>::all(shared.client.clone());
    create(&volumes, &volume).await
}

/// Whether the stand-in makes volumes for this claim.
pub(super) fn is_ours(claim: &PersistentVolumeClaim) -> bool {
    let class = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.storage_class_name.as_deref());
    class == Some(CLASS)
}

/// Removes the volumes whose claims are gone, with what is in them.
pub(super) async fn reclaim(shared: &Shared) -> Result<()> {
    let volumes = Api::<PersistentVolume>::all(shared.client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={}", shared.namespace));
    for volume in volumes.list(&ours).await? {
        let phase = volume.status.as_ref().and_then(|s| s.phase.as_deref());
        if phase != Some("Released") {
            continue;
        }
        let name = volume.name_any();
        let folder = shared.volume_folder(&name);
        if folder.exists() {
            std::fs::remove_dir_all(&folder)
                .with_context(|| format!("failed to remove {}", folder.display()))?;
        }
        volumes.delete(&name, &DeleteParams::default()).await?;
    }
    Ok(())
}

fn volume_name(claim: &PersistentVolumeClaim) -> String {
    format!("pvc-{}", claim.uid().unwrap_or_default())
}

fn object<T: DeserializeOwned>(value: serde_json::Value) -> Result<T> {
    serde_json::from_value(value).context("failed to describe an object")
}

/// Creates an object; it may exist already.
async fn create<T>(api: &Api<T>, object: &T) -> Result<()>
where
    T: Resource + Clone + DeserializeOwned + serde::Serialize + std::fmt::Debug,
{
    match api.create(&PostParams::default(), object).await {
        Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
        other => other
            .map(drop)
            .with_context(|| format!("failed to create {}", object.name_any())),
    }
}
