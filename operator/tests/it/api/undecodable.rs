//! One object that cannot be read (an older definition let it in) stops no other, and its Cluster is told so.

use anyhow::{Context, Result, ensure};
use crds::labels;
use e2e::control_plane::{ControlPlane, Options};
use e2e::wait;
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::core::ApiResource;
use kube::{Client, Resource};
use operator::config::{Config, Pace};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::stage::{WITHIN, manifest};

#[tokio::test]
async fn what_cannot_be_read_stops_no_other() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let client = control_plane.client().await?;
    install_loosely(&client).await?;
    let clusters = objects::<crds::Cluster>(&client);
    let mut bad = manifest("bad", 3);
    bad["spec"]["zones"] = json!("everywhere");
    for manifest in [&bad, &manifest("good", 1)] {
        apply(&clusters, manifest).await?;
    }

    let config = Config {
        watch_namespace: None,
        metrics_address: None,
        lease: None,
        identity: "one".into(),
        pace: Pace::default(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let access = operator::client(control_plane.config().await?)?;
    let running = tokio::spawn(operator::run(
        access,
        config,
        async move { drop(stopped.await) },
    ));
    for (name, reason) in [("good", "WaitingForNodes"), ("bad", "SpecInvalid")] {
        wait::until(&format!("{name} is told about"), WITHIN, async || {
            let cluster = clusters.get(name).await?;
            let conditions = cluster
                .data
                .pointer("/status/conditions")
                .and_then(Value::as_array);
            Ok(conditions
                .into_iter()
                .flatten()
                .any(|known| known["type"] == "Ready" && known["reason"] == reason))
        })
        .await?;
    }
    let told = clusters.get("bad").await?;
    expect_all_told(&told)?;

    // A spec that is bad in the same way is told of again: its generation is another one.
    bad["spec"]["replicas"] = json!(5);
    apply(&clusters, &bad).await?;
    wait::until("the new generation is told about", WITHIN, async || {
        let now = clusters.get("bad").await?;
        Ok(now.metadata.generation != told.metadata.generation && expect_all_told(&now).is_ok())
    })
    .await?;

    a_node_holds_up_its_own_cluster(&client, &clusters).await?;
    drop(stop);
    running.await??;
    Ok(())
}

/// A node's object that cannot be read holds up its own Cluster, which says why, and no other.
async fn a_node_holds_up_its_own_cluster(
    client: &Client,
    clusters: &Api<DynamicObject>,
) -> Result<()> {
    let node = json!({
        "apiVersion": "kluster.dev/v1alpha1", "kind": "ClusterNode",
        "metadata": { "name": "good-a-9", "labels": {
            labels::CLUSTER: "good", labels::MANAGED_BY: labels::OPERATOR,
        }},
        "spec": { "cluster": 7 },
    });
    let nodes = objects::<crds::ClusterNode>(client);
    apply(&nodes, &node).await?;
    let events = Api::<Event>::namespaced(client.clone(), "default");
    wait::until("good is told what cannot be read", WITHIN, async || {
        let told = events.list(&ListParams::default()).await?;
        Ok(told.into_iter().any(|event| {
            event.regarding.and_then(|about| about.name).as_deref() == Some("good")
                && event.reason.as_deref() == Some("Unreadable")
                && event
                    .note
                    .is_some_and(|note| note.contains("ClusterNode good-a-9"))
        }))
    })
    .await?;
    let mut good = manifest("good", 1);
    good["spec"]["replicas"] = json!(2);
    apply(clusters, &good).await?;
    apply(clusters, &manifest("other", 1)).await?;
    let told_of = async |name: &str| {
        let cluster = clusters.get(name).await?;
        Ok(cluster.data.pointer("/status/observedGeneration")
            == Some(&json!(cluster.metadata.generation)))
    };
    wait::until("another is told about", WITHIN, async || {
        told_of("other").await
    })
    .await?;
    ensure!(!told_of("good").await?);
    nodes.delete("good-a-9", &DeleteParams::default()).await?;
    wait::until("good goes on", WITHIN, async || told_of("good").await).await?;
    Ok(())
}

fn objects<K: Resource<DynamicType = ()>>(client: &Client) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), "default", &ApiResource::erase::<K>(&()))
}

async fn apply(clusters: &Api<DynamicObject>, manifest: &Value) -> Result<()> {
    let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
    let by = PatchParams::apply("kubectl").force();
    clusters.patch(name, &by, &Patch::Apply(manifest)).await?;
    Ok(())
}

/// All ten conditions are there, of the spec as it is, and none claims to know what nobody could read.
fn expect_all_told(bad: &DynamicObject) -> Result<()> {
    let status = &bad.data["status"];
    ensure!(status["observedGeneration"] == json!(bad.metadata.generation));
    let conditions = status["conditions"].as_array().context("conditions")?;
    ensure!(conditions.len() == 10, "{conditions:#?}");
    for condition in conditions {
        let wanted = match condition["type"].as_str() {
            Some("SpecValid" | "Ready") => "False",
            _ => "Unknown",
        };
        ensure!(
            condition["status"] == wanted
                && condition["reason"] == "SpecInvalid"
                && condition["observedGeneration"] == json!(bad.metadata.generation),
            "{condition:#}"
        );
    }
    Ok(())
}

/// The definitions, with a spec that takes anything.
async fn install_loosely(client: &Client) -> Result<()> {
    let definitions = Api::<CustomResourceDefinition>::all(client.clone());
    for definition in crds::manifests::all()? {
        let mut loose = definition.definition;
        let spec = loose
            .pointer_mut("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
            .context("a spec")?;
        *spec = json!({ "type": "object", "x-kubernetes-preserve-unknown-fields": true });
        let name = loose["metadata"]["name"]
            .as_str()
            .context("a name")?
            .to_owned();
        definitions
            .patch(
                &name,
                &PatchParams::apply("test").force(),
                &Patch::Apply(&loose),
            )
            .await?;
        wait::until("the definition is served", WITHIN, async || {
            let status = definitions.get(&name).await?.status.unwrap_or_default();
            let mut conditions = status.conditions.into_iter().flatten();
            Ok(conditions.any(|known| known.type_ == "Established" && known.status == "True"))
        })
        .await?;
    }
    Ok(())
}
