//! From the API server's objects to the facts that `plan` uses.

use std::collections::BTreeMap;

use crds::{ClusterNode, labels};
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::{ContainerStatus, PersistentVolumeClaim, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use kube::ResourceExt;
use kube::core::DynamicObject;
use serde_json::Value;

use super::facts::{ClaimSeen, NodeSeen, ObjectSeen, OwnerSeen, PodSeen, SetSeen};
use crate::resource::{CONTAINER, Kind};

fn owner(metadata: &ObjectMeta) -> Option<OwnerSeen> {
    let references = metadata.owner_references.as_deref().unwrap_or_default();
    let controller = references
        .iter()
        .find(|reference| reference.controller == Some(true))?;
    Some(OwnerSeen {
        kind: controller.kind.clone(),
        name: controller.name.clone(),
        uid: controller.uid.clone(),
    })
}

fn annotation(metadata: &ObjectMeta, key: &str) -> Option<String> {
    metadata.annotations.as_ref()?.get(key).cloned()
}

pub(super) fn object(kind: Kind, cluster: &str, object: DynamicObject) -> ObjectSeen {
    let label = |key: &str| object.labels().get(key).map(String::as_str);
    ObjectSeen {
        kind,
        name: object.name_any(),
        uid: object.uid().unwrap_or_default(),
        owner: owner(&object.metadata),
        labelled: label(labels::CLUSTER) == Some(cluster)
            && label(labels::MANAGED_BY) == Some(labels::OPERATOR),
        hash: annotation(&object.metadata, labels::HASH),
        live: live(object),
    }
}

/// The object without what changes by itself and is never compared.
fn live(mut object: DynamicObject) -> Value {
    object.metadata.managed_fields = None;
    let mut value = serde_json::to_value(object).unwrap_or_default();
    if let Value::Object(fields) = &mut value {
        fields.remove("status");
    }
    value
}

pub(super) fn node(node: ClusterNode) -> NodeSeen {
    let ClusterNode {
        metadata,
        spec,
        status,
    } = node;
    NodeSeen {
        name: metadata.name.clone().unwrap_or_default(),
        owner: owner(&metadata).map(|owner| owner.uid),
        spec,
        status,
    }
}

pub(super) fn set(set: &StatefulSet) -> SetSeen {
    let spec = set.spec.as_ref();
    let template = spec.and_then(|spec| spec.volume_claim_templates.as_ref()?.first());
    SetSeen {
        name: set.name_any(),
        owner: owner(&set.metadata).map(|owner| owner.uid),
        replicas: spec
            .and_then(|spec| u32::try_from(spec.replicas?).ok())
            .unwrap_or_default(),
        size: template.and_then(requested),
        uid: set.uid().unwrap_or_default(),
        deleting: set.metadata.deletion_timestamp.is_some(),
        restart_hash: taken_template(set),
        refused: BTreeMap::new(),
    }
}

/// The hash of the pod template, once the StatefulSet controller has seen it: until then a deleted pod may come back
/// as it was.
fn taken_template(set: &StatefulSet) -> Option<String> {
    let seen = set.status.as_ref()?.observed_generation?;
    let template = set.spec.as_ref()?.template.metadata.as_ref()?;
    let taken = set
        .metadata
        .generation
        .is_some_and(|generation| seen >= generation);
    annotation(template, labels::RESTART_HASH).filter(|_| taken)
}

fn requested(claim: &PersistentVolumeClaim) -> Option<String> {
    let requests = claim.spec.as_ref()?.resources.as_ref()?.requests.as_ref()?;
    requests.get("storage").map(|size| size.0.clone())
}

pub(super) fn claim(claim: PersistentVolumeClaim) -> ClaimSeen {
    let read = |key: &str| annotation(&claim.metadata, key);
    ClaimSeen {
        name: claim.name_any(),
        uid: claim.uid().unwrap_or_default(),
        cluster_id: read(labels::CLUSTER_ID),
        member_id: read(labels::MEMBER_ID),
        epoch: read(labels::EPOCH).and_then(|epoch| epoch.parse().ok()),
        retired: read(labels::RETIRED).is_some(),
        bound: claim
            .status
            .as_ref()
            .and_then(|status| status.phase.as_deref())
            == Some("Bound"),
        class: claim
            .spec
            .as_ref()
            .and_then(|spec| spec.storage_class_name.clone()),
        size: requested(&claim),
        capacity: claim
            .status
            .as_ref()
            .and_then(|status| status.capacity.as_ref()?.get("storage"))
            .map(|size| size.0.clone()),
        hash: read(labels::HASH),
        deleting: claim.metadata.deletion_timestamp.is_some(),
        live: serde_json::json!({ "metadata": { "uid": claim.uid(), "annotations": claim.annotations() } }),
    }
}

pub(super) fn pod(pod: &Pod) -> PodSeen {
    let conditions = pod
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_deref())
        .unwrap_or_default();
    let condition = |type_: &str| conditions.iter().find(|found| found.type_ == type_);
    let is = |type_| condition(type_).is_some_and(|found| found.status == "True");
    let without_reason = condition("Ready").is_some_and(|found| found.reason.is_none());
    PodSeen {
        name: pod.name_any(),
        uid: pod.uid().unwrap_or_default(),
        ready: is("Ready"),
        // The node controller takes the one word back, of a machine that is silent. A kubelet says why, and of what.
        silent: !is("Ready") && without_reason && is("ContainersReady"),
        deleting: pod.metadata.deletion_timestamp.is_some(),
        restart_hash: annotation(&pod.metadata, labels::RESTART_HASH),
        trouble: trouble(pod),
    }
}

/// The field of the Cluster that a person would mend.
fn field(container: &str, reason: &str) -> &'static str {
    match (container == CONTAINER, reason) {
        (true, "ErrImagePull" | "ImagePullBackOff" | "InvalidImageName" | "ErrImageNeverPull") => {
            " (spec.image)"
        }
        (false, _) => " (spec.podTemplate)",
        (true, _) => "",
    }
}

/// Why a pod does not run: it fits nowhere, or a container does not start. Counters and delays are left out, so that
/// the text is stable.
fn trouble(pod: &Pod) -> Option<String> {
    let status = pod.status.as_ref()?;
    let waiting = |container: &ContainerStatus| {
        let waiting = container.state.as_ref()?.waiting.as_ref()?;
        let reason = waiting
            .reason
            .as_deref()
            .filter(|reason| *reason != "ContainerCreating" && *reason != "PodInitializing")?;
        let field = field(&container.name, reason);
        Some(format!(
            "container {} waits: {reason}{field}",
            container.name
        ))
    };
    let unscheduled = status
        .conditions
        .as_deref()
        .unwrap_or_default()
        .iter()
        .find(|condition| condition.type_ == "PodScheduled" && condition.status == "False");
    match unscheduled {
        Some(condition) => Some(format!(
            "cannot be placed (spec.zones, spec.scheduling and spec.resources say where): {}",
            condition.message.clone().unwrap_or_default()
        )),
        None => [&status.init_container_statuses, &status.container_statuses]
            .into_iter()
            .flatten()
            .flatten()
            .find_map(waiting),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_that_waits_names_the_field_to_mend() {
        for (name, reason, wanted) in [
            (
                "node",
                "ImagePullBackOff",
                "container node waits: ImagePullBackOff (spec.image)",
            ),
            (
                "side",
                "ErrImagePull",
                "container side waits: ErrImagePull (spec.podTemplate)",
            ),
            (
                "node",
                "CrashLoopBackOff",
                "container node waits: CrashLoopBackOff",
            ),
        ] {
            let json = serde_json::json!({ "metadata": {}, "status": { "containerStatuses": [{
                "name": name, "image": "", "imageID": "", "ready": false, "restartCount": 0,
                "state": { "waiting": { "reason": reason } },
            }] } });
            let seen = pod(&serde_json::from_value(json).unwrap());
            assert_eq!(seen.trouble.as_deref(), Some(wanted));
        }
    }

    fn seen(conditions: serde_json::Value) -> PodSeen {
        let json = serde_json::json!({ "metadata": {}, "status": { "conditions": conditions } });
        pod(&serde_json::from_value(json).unwrap())
    }

    #[test]
    fn a_machine_is_silent_when_the_word_of_its_kubelet_was_taken_back() {
        let ready = |status: &str| serde_json::json!({ "type": "Ready", "status": status });
        let containers =
            |status: &str| serde_json::json!({ "type": "ContainersReady", "status": status });
        let gate = serde_json::json!({
            "type": "Ready", "status": "False", "reason": "ReadinessGatesNotReady",
        });
        for (conditions, is_ready, is_silent) in [
            (vec![], false, false),
            (vec![ready("True"), containers("True")], true, false),
            (vec![ready("False"), containers("False")], false, false),
            (vec![ready("False"), containers("True")], false, true),
            (vec![gate, containers("True")], false, false),
        ] {
            let seen = seen(conditions.clone().into());
            assert_eq!(
                (seen.ready, seen.silent),
                (is_ready, is_silent),
                "{conditions:?}"
            );
        }
    }
}
