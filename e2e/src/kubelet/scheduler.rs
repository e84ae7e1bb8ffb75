//! Which node a pod goes to, and the binding of the two.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod, Taint, Toleration};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Status};
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use kube::{Resource, ResourceExt};
use serde_json::json;

use super::shared::{LABEL, Shared};
use super::status::now;
use super::volumes;

/// One step towards a node for the pod. `load` counts the pods of each node.
///
/// True when the pod is bound; false when something is still awaited.
pub(super) async fn step(
    shared: &Shared,
    pod: &Pod,
    load: &BTreeMap<String, usize>,
) -> Result<bool> {
    let names = claim_names(pod);
    let claims = volumes::look(shared, &names).await?;
    let nodes = Api::<Node>::all(shared.client.clone());
    let ours = ListParams::default().labels(&format!("{LABEL}={}", shared.namespace));
    let nodes = nodes.list(&ours).await?.items;
    let Some(node) = choose(pod, &nodes, load, claims.node.as_deref()) else {
        report_unschedulable(shared, pod, nodes.len()).await?;
        return Ok(false);
    };
    if !claims.unbound.is_empty() {
        for claim in claims.unbound.iter().filter(|c| volumes::is_ours(c)) {
            volumes::provision(shared, claim, &node).await?;
        }
        return Ok(false);
    }
    bind(shared, pod, &node).await?;
    Ok(true)
}

/// The node with the fewest pods of those that fit; only `holder` fits where a volume is there already.
fn choose(
    pod: &Pod,
    nodes: &[Node],
    load: &BTreeMap<String, usize>,
    holder: Option<&str>,
) -> Option<String> {
    let fitting = nodes.iter().filter(|node| fits(pod, node));
    let names = fitting.map(ResourceExt::name_any);
    names
        .filter(|name| holder.is_none_or(|holder| holder == name))
        .min_by_key(|name| (load.get(name).copied().unwrap_or(0), name.clone()))
}

fn fits(pod: &Pod, node: &Node) -> bool {
    let wanted = pod.spec.clone().unwrap_or_default();
    let spec = node.spec.clone().unwrap_or_default();
    let selected = wanted
        .node_selector
        .iter()
        .flatten()
        .all(|(key, value)| node.labels().get(key) == Some(value));
    let tolerations = wanted.tolerations.unwrap_or_default();
    let mut repelling = spec.taints.iter().flatten().filter(|taint| {
        taint.effect != "PreferNoSchedule" && !tolerations.iter().any(|t| tolerates(t, taint))
    });
    selected && spec.unschedulable != Some(true) && repelling.next().is_none()
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration.effect.as_ref();
    let key = toleration.key.as_ref();
    let any_value = toleration.operator.as_deref() == Some("Exists");
    effect.is_none_or(|effect| *effect == taint.effect)
        && key.is_none_or(|key| *key == taint.key)
        && (any_value || toleration.value.as_deref() == taint.value.as_deref())
}

fn claim_names(pod: &Pod) -> Vec<String> {
    let volumes = pod
        .spec
        .iter()
        .flat_map(|spec| spec.volumes.iter().flatten());
    let claims = volumes.filter_map(|volume| volume.persistent_volume_claim.as_ref());
    claims.map(|claim| claim.claim_name.clone()).collect()
}

async fn bind(shared: &Shared, pod: &Pod, node: &str) -> Result<()> {
    let name = pod.name_any();
    let binding = Binding {
        metadata: ObjectMeta {
            name: Some(name.clone()),
            uid: pod.uid(),
            ..ObjectMeta::default()
        },
        target: ObjectReference {
            api_version: Some("v1".to_owned()),
            kind: Some("Node".to_owned()),
            name: Some(node.to_owned()),
            ..ObjectReference::default()
        },
    };
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
    let bound: kube::Result<Status> = pods
        .create_subresource("binding", &name, &PostParams::default(), &binding)
        .await;
    match bound {
        // Gone, or bound by an earlier step whose event is still on its way.
        Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => Ok(()),
        other => other
            .map(drop)
            .with_context(|| format!("failed to bind {name} to {node}")),
    }
}

async fn report_unschedulable(shared: &Shared, pod: &Pod, nodes: usize) -> Result<()> {
    let known = pod
        .status
        .iter()
        .flat_map(|s| s.conditions.iter().flatten());
    let mut known = known.filter(|c| c.type_ == "PodScheduled" && c.status == "False");
    if known.next().is_some() {
        return Ok(());
    }
    let patch = json!({
        "metadata": {"uid": pod.meta().uid},
        "status": {"conditions": [{
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": format!("0/{nodes} nodes are available to this pod"),
            "lastTransitionTime": now(),
        }]},
    });
    let pods = Api::<Pod>::namespaced(shared.client.clone(), &shared.namespace);
    pods.patch_status(
        &pod.name_any(),
        &PatchParams::default(),
        &Patch::Strategic(patch),
    )
    .await
    .context("failed to report that a pod has no node")?;
    Ok(())
}
