//! Pods that the API server would not have: its StatefulSet controller tells of them in Events alone.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::Event;
use kube::Client;
use kube::api::{Api, ListParams};

use super::facts::{PodSeen, SetSeen};

/// The reason of an Event that tells of a pod, or of its volume claim, that could not be created.
pub(crate) const FAILED: &str = "FailedCreate";

/// How many Events of one StatefulSet are looked at: its controller tells some dozens an hour, and they are kept for one.
const EVENTS_MAX: u32 = 500;

/// Learns why `set` lacks pods, where it does. Kubernetes tells that in Events alone. They are a courtesy, and often kept by a
/// store of their own: without them nothing is held up.
pub(super) async fn learn(client: &Client, namespace: &str, set: &mut SetSeen, pods: &[PodSeen]) {
    let missing = |name: &String| !pods.iter().any(|pod| pod.name == *name);
    if !set.pods().any(|name| missing(&name)) {
        return;
    }
    let about = format!("involvedObject.uid={}", set.uid);
    let params = ListParams::default().fields(&about).limit(EVENTS_MAX);
    let events = Api::<Event>::namespaced(client.clone(), namespace);
    match events.list(&params).await {
        Ok(events) => {
            set.refused = refused(events.items);
            set.refused.retain(|name, _| missing(name));
        }
        Err(error) => tracing::warn!(
            error = &error as &dyn std::error::Error,
            set = set.name,
            "failed to read why pods are missing"
        ),
    }
}

/// Whose creation was refused last, by the name of the pod, and why. What came of a pod later undoes what was told of it before.
fn refused(mut events: Vec<Event>) -> BTreeMap<String, String> {
    let last = |event: &Event| {
        let series = event.series.as_ref();
        let repeated = series.and_then(|series| series.last_observed_time.as_ref());
        let told = event.last_timestamp.as_ref().map(|time| time.0);
        repeated.map(|time| time.0).or(told)
    };
    // Times are in seconds: what went well comes last.
    events.sort_by_key(|event| (last(event), event.reason.as_deref() != Some(FAILED)));
    let mut refused = BTreeMap::new();
    for event in &events {
        let told = event.message.as_deref().and_then(created);
        match (event.reason.as_deref(), told) {
            (Some(FAILED), Some((pod, Some(why)))) => {
                refused.insert(pod.to_owned(), why.to_owned());
            }
            (Some(_), Some((pod, None))) => {
                refused.remove(pod);
            }
            _ => {}
        }
    }
    refused
}

/// The pod that the StatefulSet controller tells of, and why it, or its volume claim, was not created.
fn created(message: &str) -> Option<(&str, Option<&str>)> {
    let (what, rest) = message.split_once("Pod ")?;
    let (pod, rest) = rest.split_once(" in StatefulSet ")?;
    match rest.split_once(" failed error: ") {
        Some((_, why)) => Some((pod, Some(why))),
        // A claim is not yet a pod.
        None => (!what.contains("Claim")).then_some((pod, None)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(second: u8, reason: &str, message: &str) -> Event {
        let json = serde_json::json!({
            "metadata": {}, "involvedObject": {}, "reason": reason, "message": message,
            "lastTimestamp": format!("2026-01-01T00:00:{second:02}Z"),
        });
        serde_json::from_value(json).unwrap()
    }

    #[test]
    fn a_pod_is_refused_until_it_is_created() {
        let no = |second, pod: &str| {
            let why = format!(
                "create Pod {pod} in StatefulSet x failed error: pods \"{pod}\" is forbidden: no"
            );
            event(second, FAILED, &why)
        };
        let yes = |second, pod: &str| {
            let told = format!("create Pod {pod} in StatefulSet x successful");
            event(second, "SuccessfulCreate", &told)
        };
        let claimed = "create Claim data-x-0 Pod x-0 in StatefulSet x success";
        let no_claim =
            "create Claim data-x-0 Pod x-0 in StatefulSet x failed error: exceeded quota";
        let combined =
            "(combined from similar events): create Pod x-0 in StatefulSet x failed error: no";
        let cases = [
            (vec![], vec![]),
            (
                vec![no(1, "x-0")],
                vec![("x-0", "pods \"x-0\" is forbidden: no")],
            ),
            (vec![yes(2, "x-0"), no(1, "x-0")], vec![]),
            (vec![yes(1, "x-0"), no(1, "x-0")], vec![]),
            (
                vec![no(2, "x-0"), yes(1, "x-0")],
                vec![("x-0", "pods \"x-0\" is forbidden: no")],
            ),
            (
                vec![no(1, "x-0"), yes(2, "x-1")],
                vec![("x-0", "pods \"x-0\" is forbidden: no")],
            ),
            (vec![event(1, FAILED, combined)], vec![("x-0", "no")]),
            (
                vec![
                    event(1, FAILED, no_claim),
                    event(2, "SuccessfulCreate", claimed),
                ],
                vec![("x-0", "exceeded quota")],
            ),
            (vec![event(1, FAILED, "something else")], vec![]),
        ];
        for (events, wanted) in cases {
            let wanted = wanted
                .into_iter()
                .map(|(pod, why)| (pod.to_owned(), why.to_owned()));
            assert_eq!(refused(events), wanted.collect());
        }
    }
}
