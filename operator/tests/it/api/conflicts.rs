//! What has a name that the operator needs and belongs to somebody else is left alone, and told.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};
use operator::apply::{WriteError, Writer};
use operator::lease::Fence;
use operator::metrics::Metrics;
use operator::resource::{Kind, Resource};
use serde_json::json;

use super::stage::{Stage, manifest};

#[tokio::test]
async fn an_object_of_somebody_else_is_never_forced() -> Result<()> {
    let stage = Stage::set("conflict").await?;
    let maps = Api::<ConfigMap>::namespaced(stage.client.clone(), &stage.namespace);
    let before = maps.create(&PostParams::default(), &theirs()).await?;
    let operator = stage.operator("one").await?;
    stage.apply(&manifest("demo", 1)).await?;
    let told = stage
        .until_condition("demo", "Ready", "False NameConflict")
        .await?;
    assert!(told.contains("ConfigMap demo"), "{told}");
    let after = maps.get("demo").await?;
    assert_eq!(
        after.metadata.resource_version,
        before.metadata.resource_version
    );
    let sets = Api::<StatefulSet>::namespaced(stage.client.clone(), &stage.namespace);
    assert!(
        sets.list(&Default::default()).await?.items.is_empty(),
        "half of a Cluster was made"
    );

    // Once the way is free, it is taken.
    maps.delete("demo", &DeleteParams::default()).await?;
    stage.play_until_ready("demo").await?;
    operator.stop().await
}

/// Between a look and the write that follows from it, somebody else may take a name, or put another object there.
#[tokio::test]
async fn what_took_a_name_after_the_look_is_not_taken_over() -> Result<()> {
    let stage = Stage::set("late-conflict").await?;
    let maps = Api::<ConfigMap>::namespaced(stage.client.clone(), &stage.namespace);
    let writer = Writer::new(stage.client.clone(), Fence::open(), Metrics::default());
    let ours = Resource::seal(
        Kind::ConfigMap,
        &json!({ "metadata": { "name": "demo" }, "data": { "ours": "new" } }),
    );

    let theirs = maps.create(&PostParams::default(), &theirs()).await?;
    for seen in [None, Some("11111111-1111-4111-8111-111111111111")] {
        let refused = writer.apply(&stage.namespace, &ours, seen).await;
        expect_conflict(refused);
        let after = maps.get("demo").await?;
        assert_eq!(
            after.metadata.resource_version,
            theirs.metadata.resource_version
        );
    }

    // What is gone is not made anew for one that was seen; for nothing seen it is, and can be written again.
    maps.delete("demo", &DeleteParams::default()).await?;
    expect_conflict(
        writer
            .apply(&stage.namespace, &ours, theirs.metadata.uid.as_deref())
            .await,
    );
    assert!(maps.get_opt("demo").await?.is_none());
    writer.apply(&stage.namespace, &ours, None).await?;
    let made = maps.get("demo").await?;
    writer
        .apply(&stage.namespace, &ours, made.metadata.uid.as_deref())
        .await?;
    Ok(())
}

fn expect_conflict(outcome: Result<(), WriteError>) {
    match outcome {
        Err(WriteError::Refused {
            source: kube::Error::Api(status),
            ..
        }) if matches!(status.code, 409 | 422) => {} // some kinds call another UID invalid instead of a conflict
        other => panic!("no conflict: {other:?}"),
    }
}

fn theirs() -> ConfigMap {
    ConfigMap {
        metadata: ObjectMeta {
            name: Some("demo".into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("theirs".into(), "kept".into())])),
        ..ConfigMap::default()
    }
}
