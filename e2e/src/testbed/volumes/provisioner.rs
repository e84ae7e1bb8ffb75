//! The provisioner: looks at claims and volumes whenever one changes, and does what is to be done.

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use kube::api::{Api, DeleteParams, ListParams, Patch, PatchParams, PostParams};
use kube::{Client, ResourceExt};
use serde_json::json;

use super::super::layout::{Layout, Node};
use super::super::objects::STORAGE_CLASS;
use super::super::watching;
use super::action::{Action, NODE};
use super::disk::Disk;
use super::quantity;

/// Name of the provisioner's daemon.
pub const PROVISIONER: &str = "volumes";
/// Its name in StorageClass and volumes.
pub const PROVISIONED_BY: &str = "kluster.dev/volumes";

/// Serves the StorageClass of the test-bed of that layout until the process is killed.
///
/// # Errors
/// When the kubeconfig cannot be used. What fails later is written to the log and tried again.
pub async fn serve(layout: &Layout) -> Result<()> {
    let client = watching::client(layout, PROVISIONER).await?;
    let changes = vec![
        watching::changes::<PersistentVolumeClaim>(&client),
        watching::changes::<PersistentVolume>(&client),
    ];
    watching::look_on_change(changes, async || pass(&client, layout).await).await
}

/// One look; true if something could not be done.
async fn pass(client: &Client, layout: &Layout) -> Result<bool> {
    let all = ListParams::default();
    let claims = Api::<PersistentVolumeClaim>::all(client.clone())
        .list(&all)
        .await
        .context("failed to list the claims")?;
    let volumes = Api::<PersistentVolume>::all(client.clone())
        .list(&all)
        .await
        .context("failed to list the volumes")?;
    let mut undone = false;
    for action in Action::of(STORAGE_CLASS, &claims.items, &volumes.items) {
        let done = match action {
            Ok(action) => act(client, layout, &action)
                .await
                .with_context(|| format!("failed to do {}", told(&action))),
            Err(error) => Err(error),
        };
        if let Err(error) = done {
            eprintln!("{error:#}");
            undone = true;
        }
    }
    Ok(undone)
}

async fn act(client: &Client, layout: &Layout, action: &Action) -> Result<()> {
    let volumes = Api::<PersistentVolume>::all(client.clone());
    println!("{}", told(action));
    match action {
        Action::Make {
            claim,
            volume,
            node,
            bytes,
        } => {
            let disk = Disk::of(&node_named(layout, node)?, volume);
            disk.make(*bytes)?;
            let object = described(claim, volume, node, *bytes, &disk)?;
            match volumes.create(&PostParams::default(), &object).await {
                Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
                other => other.map(drop).context("failed to create the volume"),
            }
        }
        Action::Grow {
            claim,
            volume,
            node,
            bytes,
        } => {
            Disk::of(&node_named(layout, node)?, volume).grow(*bytes)?;
            let capacity = json!({"storage": quantity::of(*bytes)});
            let spec = Patch::Merge(json!({"spec": {"capacity": capacity}}));
            volumes
                .patch(volume, &PatchParams::default(), &spec)
                .await
                .context("failed to tell the volume's size")?;
            let namespace = claim.namespace().unwrap_or_default();
            let claims = Api::<PersistentVolumeClaim>::namespaced(client.clone(), &namespace);
            let status = Patch::Merge(json!({"status": {"capacity": capacity}}));
            claims
                .patch_status(&claim.name_any(), &PatchParams::default(), &status)
                .await
                .context("failed to tell the claim its size")?;
            Ok(())
        }
        Action::Remove { volume, node } => {
            Disk::of(&node_named(layout, node)?, volume).remove()?;
            match volumes.delete(volume, &DeleteParams::default()).await {
                Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
                other => other.map(drop).context("failed to delete the volume"),
            }
        }
    }
}

fn node_named(layout: &Layout, name: &str) -> Result<Node> {
    layout
        .node_named(name)
        .with_context(|| format!("there is no node {name}"))
}

/// The volume as Kubernetes sees it.
fn described(
    claim: &PersistentVolumeClaim,
    name: &str,
    node: &str,
    bytes: u64,
    disk: &Disk,
) -> Result<PersistentVolume> {
    let modes = claim
        .spec
        .as_ref()
        .and_then(|spec| spec.access_modes.clone());
    let described = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        // Without the annotation the volume controller would look for a plugin of its own to delete it with.
        "metadata": {
            "name": name,
            "labels": {(NODE): node},
            "annotations": {"pv.kubernetes.io/provisioned-by": PROVISIONED_BY},
        },
        "spec": {
            "accessModes": modes,
            "capacity": {"storage": quantity::of(bytes)},
            "storageClassName": STORAGE_CLASS,
            "persistentVolumeReclaimPolicy": "Delete",
            "claimRef": {
                "apiVersion": "v1",
                "kind": "PersistentVolumeClaim",
                "name": claim.name_any(),
                "namespace": claim.namespace(),
                "uid": claim.uid(),
            },
            "local": {"path": disk.folder()},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions": [
                {"key": NODE, "operator": "In", "values": [node]},
            ]}]}},
        },
    });
    serde_json::from_value(described).context("failed to describe a volume")
}

fn told(action: &Action) -> String {
    let mib = |bytes: &u64| bytes >> 20;
    match action {
        Action::Make {
            volume,
            node,
            bytes,
            ..
        } => format!("make {volume} on {node}, {} MiB", mib(bytes)),
        Action::Grow {
            volume,
            node,
            bytes,
            ..
        } => format!("grow {volume} on {node} to {} MiB", mib(bytes)),
        Action::Remove { volume, node } => format!("remove {volume} from {node}"),
    }
}
