//! What others change of the operator's objects is put back, what they add stays, and a pause holds its hand.

use anyhow::Result;
use e2e::wait;
use k8s_openapi::api::core::v1::{ConfigMap, Service};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, Patch, PatchParams};
use serde_json::json;

use super::stage::{Stage, WITHIN, manifest};

#[tokio::test]
async fn what_others_change_is_put_back_and_what_they_add_stays() -> Result<()> {
    let stage = Stage::set("drift").await?;
    let operator = stage.operator("one").await?;
    stage.apply(&manifest("demo", 3)).await?;
    stage.play_until_ready("demo").await?;

    let services = Api::<Service>::namespaced(stage.client.clone(), &stage.namespace);
    let patch = json!({
        "metadata": { "annotations": { "mine": "stays" } },
        "spec": { "selector": { "kluster.dev/cluster": "stolen" }, "publishNotReadyAddresses": true },
    });
    services
        .patch("demo-client", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    let budgets = Api::<PodDisruptionBudget>::namespaced(stage.client.clone(), &stage.namespace);
    budgets.delete("demo", &DeleteParams::default()).await?;
    wait::until("both are put back", WITHIN, async || {
        let service = services.get("demo-client").await?;
        let spec = service.spec.clone().unwrap_or_default();
        let selects = spec
            .selector
            .unwrap_or_default()
            .get("kluster.dev/cluster")
            .is_some_and(|value| value == "demo");
        let stays = service
            .annotations()
            .get("mine")
            .is_some_and(|value| value == "stays")
            && spec.publish_not_ready_addresses == Some(true);
        Ok(selects && stays && budgets.get_opt("demo").await?.is_some())
    })
    .await?;
    operator.stop().await
}

#[tokio::test]
async fn a_paused_cluster_is_only_looked_at() -> Result<()> {
    let stage = Stage::set("paused").await?;
    let operator = stage.operator("one").await?;
    let mut manifest = manifest("demo", 1);
    manifest["spec"]["operations"] = json!({ "paused": true });
    stage.apply(&manifest).await?;
    stage
        .until_condition("demo", "ReconciliationPaused", "True PausedBySpec")
        .await?;
    let maps = Api::<ConfigMap>::namespaced(stage.client.clone(), &stage.namespace);
    assert!(
        maps.get_opt("demo").await?.is_none(),
        "a paused Cluster got a ConfigMap"
    );

    manifest["spec"]["operations"] = json!({ "paused": false });
    stage.apply(&manifest).await?;
    stage.play_until_ready("demo").await?;
    assert!(maps.get_opt("demo").await?.is_some());
    operator.stop().await
}
