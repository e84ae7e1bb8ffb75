//! What everything looks like, for the message of a failed test.

use std::fmt::Write;

use kube::ResourceExt;
use kube::api::Api;
use serde::Serialize;

use super::stand::Bed;

/// Clusters, ClusterNodes, pods, events and the last words of every process.
pub async fn everything(bed: &Bed) -> String {
    let mut text = String::from("what it looked like:\n");
    objects(&mut text, "Cluster", &bed.clusters).await;
    objects(&mut text, "ClusterNode", &bed.nodes).await;
    text.push_str(&events(bed).await);
    text.push_str(&bed.kubelet.describe().await);
    text
}

async fn objects<T>(text: &mut String, kind: &str, api: &Api<T>)
where
    T: kube::Resource + Clone + Serialize + serde::de::DeserializeOwned + std::fmt::Debug,
{
    let list = match api.list(&Default::default()).await {
        Ok(list) => list,
        Err(error) => {
            text.push_str(&format!("(failed to list {kind}: {error})\n"));
            return;
        }
    };
    for mut object in list {
        object.managed_fields_mut().clear();
        let name = object.name_any();
        let written = serde_json::to_value(&object).unwrap_or_default();
        let deleted = object.meta().deletion_timestamp.is_some();
        let shown = serde_json::json!({"spec": written["spec"], "status": written["status"], "deleted": deleted});
        writeln!(text, "{kind} {name}: {shown}").expect("text takes text");
    }
}

async fn events(bed: &Bed) -> String {
    let events =
        Api::<k8s_openapi::api::core::v1::Event>::namespaced(bed.client.clone(), &bed.namespace);
    match events.list(&Default::default()).await {
        Ok(events) => events
            .iter()
            .filter(|event| event.involved_object.kind.as_deref() == Some("Cluster"))
            .map(|event| {
                let part = |text: &Option<String>| text.clone().unwrap_or_default();
                format!("event {}: {}\n", part(&event.reason), part(&event.message))
            })
            .collect(),
        Err(error) => format!("(failed to list the events: {error})\n"),
    }
}
