//! With nothing to do, the operator writes nothing: counted where writes arrive.

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::stage::{Stage, manifest};

#[tokio::test]
async fn nothing_to_do_means_zero_writes_also_after_a_restart() -> Result<()> {
    let stage = Stage::set("idle").await?;
    let first = stage.operator("first").await?;
    let mut manifest = manifest("demo", 3);
    // Values that the API server writes in another way than a person does.
    manifest["spec"]["resources"] =
        json!({ "requests": { "cpu": "0.5", "memory": "1024Mi" }, "limits": { "cpu": "1000m" } });
    manifest["spec"]["podTemplate"] = json!({ "spec": { "containers": [{ "name": "node", "env": [{ "name": "A", "value": "" }] }] } });
    stage.apply(&manifest).await?;
    stage.play_until_ready("demo").await?;

    // Whatever was still on its way has been looked at after one further pass.
    let mark = stage.control_plane.audit().mark()?;
    touch(&stage, "1").await?;
    stage.until_looked(mark, 1).await?;
    let mark = stage.control_plane.audit().mark()?;
    touch(&stage, "2").await?;
    stage.until_looked(mark, 1).await?;
    first.stop().await?;
    let writes = stage.writes_since(mark)?;
    assert!(writes.is_empty(), "{writes:#?}");

    let mark = stage.control_plane.audit().mark()?;
    let second = stage.operator("second").await?;
    stage.until_looked(mark, 1).await?;
    touch(&stage, "3").await?;
    stage.until_looked(mark, 2).await?;
    second.stop().await?;
    let writes = stage.writes_since(mark)?;
    assert!(writes.is_empty(), "after a restart: {writes:#?}");
    Ok(())
}

/// Makes the operator look, without anything to do.
async fn touch(stage: &Stage, value: &str) -> Result<()> {
    let patch = Patch::Merge(json!({ "metadata": { "annotations": { "touched": value } } }));
    stage
        .clusters
        .patch("demo", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}
