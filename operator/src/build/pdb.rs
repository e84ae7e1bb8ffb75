//! How many nodes a drain may take at once: one. A single node has none, so that its host can be drained at all.

use crds::{labels, names};
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::all::Wanted;

/// The budget, where one is wanted.
pub fn budget(wanted: &Wanted) -> Option<PodDisruptionBudget> {
    let cluster = &wanted.subject.name;
    if wanted.validated.replicas <= 1 {
        return None;
    }
    Some(PodDisruptionBudget {
        metadata: wanted.metadata(names::disruption_budget(cluster)),
        spec: Some(PodDisruptionBudgetSpec {
            max_unavailable: Some(IntOrString::Int(1)),
            min_available: None,
            selector: Some(LabelSelector {
                match_labels: Some(labels::selector(cluster)),
                match_expressions: None,
            }),
            unhealthy_pod_eviction_policy: Some("AlwaysAllow".to_owned()),
        }),
        status: None,
    })
}
