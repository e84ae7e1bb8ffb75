//! Annotations of a volume claim: whose data it holds. The claim itself is the StatefulSet's, and nobody's to own:
//! it outlives its Cluster.

use std::collections::BTreeMap;

use crds::labels;
use kube::api::ObjectMeta;
use serde_json::json;

use crate::plan::ClaimWanted;
use crate::resource::{Kind, Resource};
use crate::validate::Subject;

/// The annotations, for exactly this claim: one that was made anew under the name is not touched.
pub fn annotations(subject: &Subject, claim: &ClaimWanted) -> Resource {
    let ClaimWanted {
        name,
        uid,
        cluster_id,
        member_id,
        epoch,
        retired,
    } = claim;
    let epoch = epoch.map(|epoch| epoch.to_string());
    let retired = retired.then(|| "true".to_owned());
    let annotations: BTreeMap<String, String> = [
        (labels::CLUSTER_ID, cluster_id.clone()),
        (labels::MEMBER_ID, member_id.clone()),
        (labels::EPOCH, epoch),
        (labels::RETIRED, retired),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some((key.to_owned(), value?)))
    .collect();
    let metadata = ObjectMeta {
        name: Some(name.clone()),
        namespace: Some(subject.namespace.clone()),
        uid: Some(uid.clone()),
        annotations: Some(annotations),
        ..ObjectMeta::default()
    };
    Resource::seal(
        Kind::PersistentVolumeClaim,
        &json!({ "metadata": metadata }),
    )
}
