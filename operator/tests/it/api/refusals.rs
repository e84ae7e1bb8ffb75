//! What only the API server can refuse: it is told with the field and the rule, what runs is left alone, and a mend is
//! seen at once.

use std::time::{Duration, Instant};

use anyhow::Result;
use e2e::wait;
use k8s_openapi::api::core::v1::{PersistentVolumeClaim, Pod};
use k8s_openapi::api::events::v1::Event;
use k8s_openapi::api::storage::v1::StorageClass;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, PostParams};
use serde_json::json;

use super::stage::{Stage, WITHIN, manifest};

/// What a person still calls at once, on a busy machine.
const AT_ONCE: Duration = Duration::from_secs(5);

/// Names and UIDs of the pods.
async fn pods(stage: &Stage) -> Result<Vec<(String, Option<String>)>> {
    let pods = Api::<Pod>::namespaced(stage.client.clone(), &stage.namespace);
    let list = pods.list(&ListParams::default()).await?.items;
    Ok(list.iter().map(|pod| (pod.name_any(), pod.uid())).collect())
}

#[tokio::test]
async fn a_template_that_the_api_server_refuses_touches_no_pod() -> Result<()> {
    let stage = Stage::set("refused-template").await?;
    let operator = stage.operator("one").await?;
    let good = manifest("demo", 3);
    stage.apply(&good).await?;
    stage.play_until_ready("demo").await?;
    let before = pods(&stage).await?;

    let mut bad = good.clone();
    bad["spec"]["podTemplate"] =
        json!({ "spec": { "tolerations": [{ "operator": "Sometimes" }] } });
    stage.apply(&bad).await?;
    let told = stage
        .until_condition("demo", "Degraded", "True WriteFailed")
        .await?;
    assert!(
        told.contains("StatefulSet") && told.contains("tolerations[0].operator"),
        "{told}"
    );
    stage
        .until_condition("demo", "Ready", "True WritesCommit")
        .await?;
    let status = stage.clusters.get("demo").await?.status.unwrap_or_default();
    assert_eq!(status.reason.as_deref(), Some("WriteFailed"));

    stage.apply(&good).await?;
    let mended = Instant::now();
    stage
        .until_condition("demo", "Degraded", "False AllNodesReady")
        .await?;
    assert!(mended.elapsed() < AT_ONCE, "{:?}", mended.elapsed());
    assert_eq!(pods(&stage).await?, before, "a pod was touched");
    operator.stop().await
}

/// Makes a class whose volumes can grow, or cannot.
async fn class(stage: &Stage, name: &str, expands: bool) -> Result<()> {
    let class: StorageClass = serde_json::from_value(json!({
        "metadata": { "name": name },
        "provisioner": "kluster.dev/played",
        "allowVolumeExpansion": expands,
    }))?;
    let classes = Api::<StorageClass>::all(stage.client.clone());
    classes.create(&PostParams::default(), &class).await?;
    Ok(())
}

/// Has every claim bound, as large as it asks.
async fn bind(claims: &Api<PersistentVolumeClaim>) -> Result<()> {
    for claim in claims.list(&ListParams::default()).await?.items {
        let asks = serde_json::to_value(&claim.spec)?["resources"]["requests"].clone();
        let bound = json!({ "status": { "phase": "Bound", "capacity": asks } });
        let (name, params) = (claim.name_any(), PatchParams::default());
        claims
            .patch_status(&name, &params, &Patch::Merge(bound))
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn a_volume_that_cannot_grow_is_told_and_grows_once_its_class_allows_it() -> Result<()> {
    let stage = Stage::set("rigid").await?;
    let claims = Api::<PersistentVolumeClaim>::namespaced(stage.client.clone(), "rigid");
    class(&stage, "rigid", false).await?;
    let operator = stage.operator("one").await?;
    let mut wanted = manifest("demo", 3);
    wanted["spec"]["storage"]["storageClassName"] = json!("rigid");
    stage.apply(&wanted).await?;
    stage.play_until_ready("demo").await?;
    bind(&claims).await?;

    wanted["spec"]["storage"]["size"] = json!("2Gi");
    let mark = stage.control_plane.audit().mark()?;
    stage.apply(&wanted).await?;
    let told = stage
        .until_condition("demo", "StorageHealthy", "False VolumeNotExpandable")
        .await?;
    assert!(
        told.contains("data-demo-default-0") && told.contains("resize"),
        "{told}"
    );
    stage
        .until_condition("demo", "Degraded", "True VolumeNotExpandable")
        .await?;
    stage
        .until_condition("demo", "Ready", "True WritesCommit")
        .await?;
    let events = Api::<Event>::namespaced(stage.client.clone(), "rigid");
    wait::until("an Event tells of it", WITHIN, async || {
        let told = events.list(&ListParams::default()).await?;
        let mut reasons = told
            .items
            .iter()
            .filter_map(|event| event.reason.as_deref());
        Ok(reasons.any(|reason| reason == "VolumeNotExpandable"))
    })
    .await?;
    // It is tried again when something changes, and once a minute; never without a pause.
    let tries = stage.writes_since(mark)?;
    let tries = tries
        .iter()
        .filter(|write| write.resource == "persistentvolumeclaims");
    assert!(
        tries.count() <= 3 * 10,
        "every claim is asked to grow without a pause"
    );

    let classes = Api::<StorageClass>::all(stage.client.clone());
    let allows = Patch::Merge(json!({ "allowVolumeExpansion": true }));
    classes
        .patch("rigid", &PatchParams::default(), &allows)
        .await?;
    // No watch tells of a class; a change of the spec has the operator look again at once.
    wanted["spec"]["networkPolicy"] = json!({ "enabled": false });
    stage.apply(&wanted).await?;
    wait::until("every claim asks for more", WITHIN, async || {
        let list = claims.list(&ListParams::default()).await?.items;
        bind(&claims).await?;
        Ok(list.iter().all(|claim| {
            let spec = serde_json::to_value(&claim.spec).unwrap_or_default();
            spec["resources"]["requests"]["storage"] == "2Gi"
        }))
    })
    .await?;
    stage
        .until_condition("demo", "StorageHealthy", "True RoomEnough")
        .await?;
    operator.stop().await
}
