//! What has a name that the operator needs and belongs to somebody else is left alone, and told.

use std::collections::BTreeMap;

use anyhow::Result;
use k8s_openapi::api::apps::v1::StatefulSet;
use k8s_openapi::api::core::v1::ConfigMap;
use kube::api::{Api, DeleteParams, ObjectMeta, PostParams};

use super::stage::{Stage, manifest};

#[tokio::test]
async fn an_object_of_somebody_else_is_never_forced() -> Result<()> {
    let stage = Stage::set("conflict").await?;
    let maps = Api::<ConfigMap>::namespaced(stage.client.clone(), &stage.namespace);
    let theirs = ConfigMap {
        metadata: ObjectMeta {
            name: Some("demo".into()),
            ..ObjectMeta::default()
        },
        data: Some(BTreeMap::from([("theirs".into(), "kept".into())])),
        ..ConfigMap::default()
    };
    let before = maps.create(&PostParams::default(), &theirs).await?;
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
