//! The Secret with the cluster key. It is created once and never written again.

use std::collections::BTreeMap;

use crds::{labels, names};
use k8s_openapi::api::core::v1::Secret;
use kube::api::ObjectMeta;

use crate::validate::Subject;

/// Length of a cluster key.
pub const KEY_BYTES: usize = 32;

/// The Secret that holds `key`, which the caller drew.
pub fn secret(subject: &Subject, key: &[u8; KEY_BYTES]) -> Secret {
    Secret {
        metadata: ObjectMeta {
            name: Some(names::key_secret(&subject.name)),
            namespace: Some(subject.namespace.clone()),
            labels: Some(labels::owned(&subject.name)),
            owner_references: Some(vec![subject.owner_reference()]),
            ..ObjectMeta::default()
        },
        string_data: Some(BTreeMap::from([(
            names::CLUSTER_KEY.to_owned(),
            hex::encode(key),
        )])),
        immutable: Some(true),
        ..Secret::default()
    }
}
