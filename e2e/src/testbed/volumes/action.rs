//! What is to be done, told from the claims and volumes as they are; no effect happens here.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use kube::ResourceExt;

use super::disk::BYTES_MIN;
use super::quantity;

/// The scheduler's choice for a claim's first pod.
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";
/// Where a volume says which node it is on.
pub const NODE: &str = "kubernetes.io/hostname";

/// One thing to do.
#[derive(Clone, Debug, PartialEq)]
pub enum Action {
    /// Make the volume of a claim on the node that the scheduler chose.
    Make {
        /// The claim.
        claim: Box<PersistentVolumeClaim>,
        /// Name of the volume.
        volume: String,
        /// The node.
        node: String,
        /// Its size.
        bytes: u64,
    },
    /// Make a volume as large as its claim now asks.
    Grow {
        /// The claim.
        claim: Box<PersistentVolumeClaim>,
        /// Name of the volume.
        volume: String,
        /// The node it is on.
        node: String,
        /// The new size.
        bytes: u64,
    },
    /// Remove a volume whose claim is gone.
    Remove {
        /// Name of the volume.
        volume: String,
        /// The node it is on.
        node: String,
    },
}

impl Action {
    /// All that is to be done for the claims and volumes of the StorageClass `class`. What cannot be told, such as
    /// a size that makes no sense, is an error in its place.
    pub fn of(
        class: &str,
        claims: &[PersistentVolumeClaim],
        volumes: &[PersistentVolume],
    ) -> Vec<Result<Self>> {
        let ours: BTreeMap<String, &PersistentVolume> = volumes
            .iter()
            .filter(|volume| {
                volume
                    .spec
                    .as_ref()
                    .and_then(|spec| spec.storage_class_name.as_deref())
                    == Some(class)
            })
            .map(|volume| (volume.name_any(), volume))
            .collect();
        let claims = claims.iter().filter(|claim| {
            claim
                .spec
                .as_ref()
                .and_then(|spec| spec.storage_class_name.as_deref())
                == Some(class)
        });
        let wishes = claims.filter_map(|claim| {
            let name = format!("pvc-{}", claim.uid()?);
            let there = ours.get(&name).copied();
            wish(claim, name, there).transpose()
        });
        let released = ours.iter().filter_map(|(name, volume)| {
            let phase = volume.status.as_ref()?.phase.as_deref()?;
            let policy = volume
                .spec
                .as_ref()?
                .persistent_volume_reclaim_policy
                .as_deref()?;
            let action = |node| Self::Remove {
                volume: name.clone(),
                node,
            };
            ((phase, policy) == ("Released", "Delete")).then(|| node_of(volume).map(action))
        });
        wishes.chain(released).collect()
    }
}

/// What a claim asks for and does not have yet.
fn wish(
    claim: &PersistentVolumeClaim,
    volume: String,
    there: Option<&PersistentVolume>,
) -> Result<Option<Action>> {
    let asked = claim
        .spec
        .as_ref()
        .and_then(|spec| size(spec.resources.as_ref()?.requests.as_ref()));
    let bytes = asked
        .context("a claim asks for no size")
        .and_then(quantity::bytes)
        .with_context(|| format!("the claim {}", claim.name_any()))?
        .max(BYTES_MIN);
    let claim = Box::new(claim.clone());
    let Some(there) = there else {
        let node = claim.annotations().get(SELECTED_NODE).cloned();
        return Ok(node.map(|node| Action::Make {
            claim,
            volume,
            node,
            bytes,
        }));
    };
    let status = claim.status.as_ref();
    let has = status.and_then(|status| size(status.capacity.as_ref()));
    let bound = status.and_then(|status| status.phase.as_deref()) == Some("Bound");
    let large_enough = has.map(quantity::bytes).transpose()? >= Some(bytes);
    if !bound || large_enough {
        return Ok(None);
    }
    Ok(Some(Action::Grow {
        claim,
        volume,
        node: node_of(there)?,
        bytes,
    }))
}

fn size(all: Option<&BTreeMap<String, Quantity>>) -> Option<&Quantity> {
    all?.get("storage")
}

fn node_of(volume: &PersistentVolume) -> Result<String> {
    volume
        .labels()
        .get(NODE)
        .cloned()
        .with_context(|| format!("{} does not say where it is", volume.name_any()))
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn claim(asked: &str, annotations: &Value, status: &Value) -> PersistentVolumeClaim {
        serde_json::from_value(json!({
            "metadata": {"name": "data", "namespace": "n", "uid": "1", "annotations": annotations},
            "spec": {"storageClassName": "ours", "resources": {"requests": {"storage": asked}}},
            "status": status,
        }))
        .unwrap()
    }

    fn volume(phase: &str, policy: &str) -> PersistentVolume {
        serde_json::from_value(json!({
            "metadata": {"name": "pvc-1", "labels": {(NODE): "node2"}},
            "spec": {"storageClassName": "ours", "persistentVolumeReclaimPolicy": policy},
            "status": {"phase": phase},
        }))
        .unwrap()
    }

    /// Each action as a few words.
    fn told(claims: &[PersistentVolumeClaim], volumes: &[PersistentVolume]) -> Vec<String> {
        let word = |action: Result<Action>| match action {
            Ok(Action::Make { node, bytes, .. }) => format!("make {node} {}", bytes >> 20),
            Ok(Action::Grow { node, bytes, .. }) => format!("grow {node} {}", bytes >> 20),
            Ok(Action::Remove { node, .. }) => format!("remove {node}"),
            Err(_) => "error".to_owned(),
        };
        Action::of("ours", claims, volumes)
            .into_iter()
            .map(word)
            .collect()
    }

    #[test]
    fn a_claim_gets_its_volume_once_its_node_is_chosen() {
        let chosen = json!({(SELECTED_NODE): "node2"});
        let pending = json!({"phase": "Pending"});
        assert!(told(&[claim("64Mi", &json!({}), &pending)], &[]).is_empty());
        let made = told(&[claim("64Mi", &chosen, &pending)], &[]);
        assert_eq!(made, ["make node2 64"]);
        let small = told(&[claim("1Mi", &chosen, &pending)], &[]);
        assert_eq!(small, ["make node2 32"]);
        let wrong = told(&[claim("1.5Gi", &chosen, &pending)], &[]);
        assert_eq!(wrong, ["error"]);
        let there = [volume("Available", "Delete")];
        assert!(told(&[claim("64Mi", &chosen, &pending)], &there).is_empty());
    }

    #[test]
    fn a_bound_volume_grows_when_its_claim_asks_for_more() {
        let bound = json!({"phase": "Bound", "capacity": {"storage": "64Mi"}});
        let there = [volume("Bound", "Delete")];
        assert!(told(&[claim("64Mi", &json!({}), &bound)], &there).is_empty());
        let grown = told(&[claim("128Mi", &json!({}), &bound)], &there);
        assert_eq!(grown, ["grow node2 128"]);
    }

    #[test]
    fn a_volume_goes_with_its_claim_unless_it_is_to_be_kept() {
        assert_eq!(told(&[], &[volume("Released", "Delete")]), ["remove node2"]);
        assert!(told(&[], &[volume("Released", "Retain")]).is_empty());
        assert!(told(&[], &[volume("Bound", "Delete")]).is_empty());
    }

    #[test]
    fn what_belongs_to_another_class_is_left_alone() {
        let chosen = json!({(SELECTED_NODE): "node2"});
        let claims = [claim("64Mi", &chosen, &json!({"phase": "Pending"}))];
        let actions = Action::of("other", &claims, &[volume("Released", "Delete")]);
        assert!(actions.is_empty());
    }
}
