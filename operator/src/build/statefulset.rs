//! The StatefulSet of one zone: all pods at once, and none replaced by itself.

use std::collections::BTreeMap;

use crds::{labels, names};
use k8s_openapi::api::apps::v1::{
    StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::{
    PersistentVolumeClaim, PersistentVolumeClaimSpec, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use kube::api::ObjectMeta;
use serde_json::Value;

use super::all::Wanted;
use super::pod::Template;
use crate::plan::volume_size;
use crate::resource::{Kind, Resource};
use crate::validate::ZoneWanted;

/// The StatefulSet of `zone` with `replicas` pods of `template`.
pub fn stateful_set(
    wanted: &Wanted,
    zone: &ZoneWanted,
    replicas: u32,
    template: &Template,
) -> Resource {
    let cluster = &wanted.subject.name;
    let mut metadata = wanted.metadata(names::stateful_set(cluster, &zone.name));
    metadata.labels = Some(labels::zoned(cluster, &zone.name));
    let mut selector = labels::selector(cluster);
    selector.insert(labels::ZONE.to_owned(), zone.name.clone());
    let set = StatefulSet {
        metadata,
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::try_from(replicas).unwrap_or(i32::MAX)),
            service_name: Some(names::peers_service(cluster)),
            pod_management_policy: Some("Parallel".to_owned()),
            update_strategy: Some(StatefulSetUpdateStrategy {
                type_: Some("OnDelete".to_owned()),
                rolling_update: None,
            }),
            persistent_volume_claim_retention_policy: Some(
                StatefulSetPersistentVolumeClaimRetentionPolicy {
                    when_deleted: Some("Retain".to_owned()),
                    when_scaled: Some("Retain".to_owned()),
                },
            ),
            selector: LabelSelector {
                match_labels: Some(selector),
                match_expressions: None,
            },
            volume_claim_templates: Some(vec![claim_template(wanted, zone)]),
            ..StatefulSetSpec::default()
        }),
        status: None,
    };
    let mut set = serde_json::to_value(set).expect("a StatefulSet is JSON: its keys are text");
    if let Some(Value::Object(spec)) = set.get_mut("spec") {
        spec.insert("template".to_owned(), template.object.clone());
    }
    Resource::seal(Kind::StatefulSet, &set)
}

/// The claim template. It can never change, so its size stays that of the StatefulSet that exists; claims grow one
/// by one.
fn claim_template(wanted: &Wanted, zone: &ZoneWanted) -> PersistentVolumeClaim {
    let existing = wanted
        .view
        .sets
        .get(zone.name.as_str())
        .and_then(|set| set.size.clone());
    let size = existing.unwrap_or_else(|| volume_size(wanted.validated, wanted.view));
    PersistentVolumeClaim {
        metadata: ObjectMeta {
            name: Some(names::DATA_VOLUME.to_owned()),
            labels: Some(labels::zoned(&wanted.subject.name, &zone.name)),
            ..ObjectMeta::default()
        },
        spec: Some(PersistentVolumeClaimSpec {
            access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
            storage_class_name: zone.storage_class.clone(),
            resources: Some(VolumeResourceRequirements {
                requests: Some(BTreeMap::from([("storage".to_owned(), Quantity(size))])),
                limits: None,
            }),
            ..PersistentVolumeClaimSpec::default()
        }),
        status: None,
    }
}
