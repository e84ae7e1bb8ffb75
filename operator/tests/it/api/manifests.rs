//! Bad manifests: each is refused, or told apart, with a message that names the field and the rule.

use anyhow::{Context, Result};
use crds::ClusterNode;
use e2e::wait;
use k8s_openapi::api::core::v1::Pod;
use kube::ResourceExt;
use kube::api::{Api, ListParams, Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

use super::stage::{Stage, WITHIN, manifest};
use crate::bed::chart;

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = manifest("bad", 3);
    change(&mut manifest);
    manifest
}

fn raft(heartbeat_ms: u32, min_ms: u32, max_ms: u32) -> Value {
    json!({ "raft": { "heartbeatMs": heartbeat_ms, "electionMinMs": min_ms, "electionMaxMs": max_ms } })
}

fn recovery(member: &str, acknowledged: bool) -> Value {
    json!({ "recoverFrom": { "memberId": member, "position": "0.0.1", "acknowledgeLoss": acknowledged } })
}

#[tokio::test]
async fn bad_manifests_are_refused_by_name_and_rule() -> Result<()> {
    let stage = Stage::set("bad-manifests").await?;
    let long = "x".repeat(41);
    let cases = [
        (
            "spec.replicas",
            "1",
            changed(|m| m["spec"]["replicas"] = json!(0)),
        ),
        (
            "spec.replicas",
            "15",
            changed(|m| m["spec"]["replicas"] = json!(16)),
        ),
        (
            "spec.image",
            "Required",
            changed(|m| drop(m["spec"].as_object_mut().unwrap().remove("image"))),
        ),
        (
            "spec.storage.size",
            "above zero",
            changed(|m| m["spec"]["storage"]["size"] = json!("much")),
        ),
        (
            "spec.zones[0].name",
            "should match",
            changed(|m| m["spec"]["zones"] = json!([{ "name": "EU-1" }])),
        ),
        (
            "spec.zones[1]",
            "Duplicate",
            changed(|m| m["spec"]["zones"] = json!([{ "name": "a" }, { "name": "a" }])),
        ),
        (
            "metadata.name",
            "40 characters",
            changed(|m| m["metadata"]["name"] = json!(long)),
        ),
        (
            "metadata.name",
            "begin with a letter",
            changed(|m| m["metadata"]["name"] = json!("1st")),
        ),
    ];
    refused(&stage, cases).await
}

#[tokio::test]
async fn bad_settings_are_refused_by_name_and_rule() -> Result<()> {
    let stage = Stage::set("bad-settings").await?;
    let cases = [
        (
            "spec.image",
            "at least 1 char",
            changed(|m| m["spec"]["image"] = json!("")),
        ),
        (
            "spec.config.raft.heartbeatMs",
            "at most half of electionMinMs",
            changed(|m| m["spec"]["config"] = raft(200, 300, 600)),
        ),
        (
            "spec.config.raft.electionMinMs",
            "below electionMaxMs",
            changed(|m| m["spec"]["config"] = raft(100, 600, 600)),
        ),
        (
            "spec.operations.recoverFrom.acknowledgeLoss",
            "must be true",
            changed(|m| m["spec"]["operations"] = recovery("000000000000000a", false)),
        ),
        (
            "spec.operations.recoverFrom.memberId",
            "should match",
            changed(|m| m["spec"]["operations"] = recovery("A", true)),
        ),
        (
            "spec.updates.restartedAt",
            "date-time",
            changed(|m| m["spec"]["updates"] = json!({ "restartedAt": "now" })),
        ),
        (
            "spec.podTemplate",
            "must be of type object",
            changed(|m| m["spec"]["podTemplate"] = json!("none")),
        ),
    ];
    refused(&stage, cases).await
}

#[tokio::test]
async fn what_is_out_of_bounds_is_refused_by_name_and_rule() -> Result<()> {
    let stage = Stage::set("bad-bounds").await?;
    let zones: Vec<_> = ('a'..='p').map(|name| json!({ "name": name })).collect();
    let cases = [
        (
            "spec.zones",
            "at most 15 items",
            changed(|m| m["spec"]["zones"] = json!(zones)),
        ),
        (
            "spec.config.raft.heartbeatMs",
            "greater than or equal to 10",
            changed(|m| m["spec"]["config"] = raft(9, 300, 600)),
        ),
        (
            "spec.config.raft.electionMinMs",
            "greater than or equal to 250",
            changed(|m| m["spec"]["config"] = raft(100, 249, 600)),
        ),
        (
            "spec.operations.recoverFrom.position",
            "should match",
            changed(|m| {
                m["spec"]["operations"] = recovery("0123456789abcdef", true);
                m["spec"]["operations"]["recoverFrom"]["position"] = json!("latest");
            }),
        ),
        (
            "spec.config.raft.electionMaxMs",
            "less than or equal to 120000",
            changed(|m| m["spec"]["config"] = raft(100, 300, 120_001)),
        ),
        (
            "spec.config.log.snapshotEveryEntries",
            "greater than or equal to 100",
            changed(|m| {
                m["spec"]["config"] = json!({ "log": { "snapshotEveryEntries": 99 } });
            }),
        ),
        (
            "spec.operations.fencedNodes[1]",
            "Duplicate",
            changed(|m| {
                m["spec"]["operations"] = json!({ "fencedNodes": ["bad-a-0", "bad-a-0"] });
            }),
        ),
        (
            "spec.replicas",
            "must be of type integer",
            changed(|m| m["spec"]["replicas"] = json!("three")),
        ),
    ];
    refused(&stage, cases).await
}

#[tokio::test]
async fn a_field_that_does_not_exist_is_refused_as_kubectl_asks() -> Result<()> {
    let stage = Stage::set("bad-fields").await?;
    let strict = PatchParams {
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("kubectl").force()
    };
    let slip = changed(|m| m["spec"]["replica"] = json!(5));
    let patch = Patch::Apply(&slip);
    let error = stage
        .clusters
        .patch("bad", &strict, &patch)
        .await
        .unwrap_err();
    let error = error.to_string();
    assert!(error.contains("spec.replica"), "{error}");
    assert!(stage.clusters.get_opt("bad").await?.is_none());
    Ok(())
}

async fn refused<const N: usize>(
    stage: &Stage,
    cases: [(&'static str, &'static str, Value); N],
) -> Result<()> {
    for (field, rule, manifest) in cases {
        let error = stage.create(manifest).await.expect_err(field).to_string();
        assert!(
            error.contains(field) && error.contains(rule),
            "{field}, {rule}: {error}"
        );
    }
    Ok(())
}

#[tokio::test]
async fn bad_changes_are_refused_by_name_and_rule() -> Result<()> {
    let stage = Stage::set("bad-changes").await?;
    let mut good = manifest("good", 3);
    good["spec"]["zones"] = json!([{ "name": "a" }, { "name": "b" }]);
    stage.apply(&good).await?;
    let cases = [
        (
            "size can only grow",
            json!({ "storage": { "size": "1Mi" } }),
        ),
        (
            "storageClassName is fixed",
            json!({ "storage": { "storageClassName": "fast" } }),
        ),
        ("zones are fixed", json!({ "zones": [{ "name": "a" }] })),
        ("zones are fixed", json!({ "zones": null })),
    ];
    for (rule, spec) in cases {
        let patch = Patch::Merge(json!({ "spec": spec }));
        let error = stage
            .clusters
            .patch("good", &PatchParams::default(), &patch)
            .await
            .expect_err(rule)
            .to_string();
        assert!(
            error.contains(rule) && error.contains("spec"),
            "{rule}: {error}"
        );
    }
    let too_many = Patch::Merge(json!({ "spec": { "replicas": 16 } }));
    let error = stage
        .clusters
        .patch_scale("good", &PatchParams::default(), &too_many)
        .await
        .unwrap_err()
        .to_string();
    assert!(
        error.contains("replicas") && error.contains("15"),
        "{error}"
    );
    Ok(())
}

#[tokio::test]
async fn what_only_the_operator_can_see_is_told_in_the_status() -> Result<()> {
    let stage = Stage::set("told").await?;
    let operator = stage.operator("one").await?;
    let mut manifest = manifest("demo", 3);
    let mistaken =
        json!({ "spec": { "containers": [{ "name": "node", "imagePullPolicies": "Always" }] } });
    manifest["spec"]["podTemplate"] = mistaken.clone();
    stage.apply(&manifest).await?;
    let told = stage
        .until_condition("demo", "SpecValid", "False SpecInvalid")
        .await?;
    assert!(
        told.contains("spec.podTemplate.spec.containers[0].imagePullPolicies"),
        "{told}"
    );
    stage
        .until_condition("demo", "Ready", "False SpecInvalid")
        .await?;

    manifest["spec"]["podTemplate"] = json!({});
    stage.apply(&manifest).await?;
    stage
        .until_condition("demo", "SpecValid", "True Valid")
        .await?;
    stage.play_until_ready("demo").await?;

    // What runs stays as ready as it is, whatever is written into its spec.
    manifest["spec"]["podTemplate"] = mistaken;
    stage.apply(&manifest).await?;
    stage
        .until_condition("demo", "Degraded", "True SpecInvalid")
        .await?;
    stage
        .until_condition("demo", "Ready", "True WritesCommit")
        .await?;
    manifest["spec"]["podTemplate"] = json!({});
    stage.apply(&manifest).await?;
    stage
        .until_condition("demo", "Degraded", "False AllNodesReady")
        .await?;

    // What only the API server can see, of a Cluster that runs: all that does not hang on it goes on.
    let pods = Api::<Pod>::namespaced(stage.client.clone(), &stage.namespace);
    let nodes = Api::<ClusterNode>::namespaced(stage.client.clone(), &stage.namespace);
    let before = pods.list(&ListParams::default()).await?.items;
    manifest["spec"]["networkPolicy"] = json!({ "allowFrom": [{ "ipBlock": { "cidr": "here" } }] });
    manifest["spec"]["replicas"] = json!(4);
    stage.apply(&manifest).await?;
    let told = stage
        .until_condition("demo", "Degraded", "True WriteFailed")
        .await?;
    assert!(
        told.contains("NetworkPolicy") && told.contains("cidr"),
        "{told}"
    );
    wait::until("the fourth node is wished for", WITHIN, async || {
        Ok(nodes.get_opt("demo-default-3").await?.is_some())
    })
    .await?;
    for pod in before {
        let now = pods.get(&pod.name_any()).await?;
        assert_eq!(now.uid(), pod.uid(), "a pod was touched");
    }
    manifest["spec"]["networkPolicy"] = json!({});
    stage.apply(&manifest).await?;
    stage.play_until_ready("demo").await?;
    stage
        .until_condition("demo", "Degraded", "False AllNodesReady")
        .await?;
    operator.stop().await
}

#[tokio::test]
async fn the_examples_are_accepted_without_an_unknown_field() -> Result<()> {
    let stage = Stage::set("examples").await?;
    let strict = PatchParams {
        dry_run: true,
        field_validation: Some(ValidationDirective::Strict),
        ..PatchParams::apply("kubectl").force()
    };
    let mut seen = 0;
    for entry in std::fs::read_dir(chart().join("examples"))? {
        let path = entry?.path();
        let example: Value = serde_yaml_ng::from_str(&std::fs::read_to_string(&path)?)?;
        let name = example["metadata"]["name"].as_str().unwrap_or_default();
        let accepted = stage
            .clusters
            .patch(name, &strict, &Patch::Apply(&example))
            .await;
        accepted.with_context(|| path.display().to_string())?;
        seen += 1;
    }
    assert!(seen >= 2, "{seen} examples");
    Ok(())
}
