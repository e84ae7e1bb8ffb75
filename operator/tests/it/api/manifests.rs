//! Bad manifests: each is refused, or told apart, with a message that names the field and the rule.

use anyhow::{Context, Result};
use kube::api::{Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};

use super::stage::{Stage, manifest};
use crate::bed::chart;

fn changed(change: impl FnOnce(&mut Value)) -> Value {
    let mut manifest = manifest("bad", 3);
    change(&mut manifest);
    manifest
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
    manifest["spec"]["podTemplate"] =
        json!({ "spec": { "containers": [{ "name": "node", "imagePullPolicies": "Always" }] } });
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
