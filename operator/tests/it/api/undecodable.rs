//! One Cluster that cannot be read (an older definition let it in) stops no other, and is told so.

use anyhow::{Context, Result};
use e2e::control_plane::{ControlPlane, Options};
use e2e::wait;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams};
use kube::core::ApiResource;
use operator::config::{Config, Pace};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use super::stage::{WITHIN, manifest};

#[tokio::test]
async fn a_cluster_that_cannot_be_read_stops_no_other() -> Result<()> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    let client = control_plane.client().await?;
    install_loosely(&client).await?;
    let clusters = Api::<DynamicObject>::namespaced_with(
        client,
        "default",
        &ApiResource::erase::<crds::Cluster>(&()),
    );
    let mut bad = manifest("bad", 3);
    bad["spec"]["zones"] = json!("everywhere");
    for manifest in [&bad, &manifest("good", 1)] {
        let name = manifest["metadata"]["name"].as_str().unwrap_or_default();
        clusters
            .patch(
                name,
                &PatchParams::apply("kubectl").force(),
                &Patch::Apply(manifest),
            )
            .await?;
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
    drop(stop);
    running.await??;
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
