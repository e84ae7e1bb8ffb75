//! Specs that contradict themselves in what the definitions cannot tell: each problem names its field and its rule.

use crds::Cluster;
use operator::validate::validate;
use serde_json::{Value, json};

/// What is wrong with a good spec once `change` was laid over it.
fn problems(change: Value) -> String {
    let mut spec = json!({ "image": "kluster:1", "replicas": 3, "storage": { "size": "1Gi" } });
    for (field, value) in change.as_object().unwrap() {
        spec[field] = value.clone();
    }
    let cluster: Cluster = serde_json::from_value(json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": "demo", "namespace": "default" },
        "spec": spec,
    }))
    .unwrap();
    match validate(&cluster) {
        Ok(_) => String::new(),
        Err(problems) => problems.to_string(),
    }
}

fn container(fields: Value) -> Value {
    json!({ "podTemplate": { "spec": { "containers": [fields] } } })
}

fn kv(settings: Value) -> Value {
    json!({ "engines": { "kv": settings } })
}

#[test]
fn a_good_spec_has_no_problem() {
    assert_eq!(problems(json!({})), "");
    assert_eq!(problems(container(json!({ "name": "node" }))), "");
    for (mode, retention) in [
        ("Periodic", "1h"),
        ("Periodic", "90s"),
        ("Revision", "1000"),
    ] {
        let compaction = json!({ "mode": mode, "retention": retention });
        let all = kv(json!({
            "quota": "8Gi", "autoCompaction": compaction,
            "tls": { "secretName": "tls" }, "auth": { "secretName": "a.b-1" },
        }));
        assert_eq!(problems(all), "");
    }
}

#[test]
fn each_problem_names_its_field_and_its_rule() {
    let cases = [
        ("spec.image: must name an image", json!({ "image": " " })),
        (
            "spec.replicas: must be between 1 and 15",
            json!({ "replicas": 0 }),
        ),
        (
            "spec.storage.size: must be a quantity above zero",
            json!({ "storage": { "size": "much" } }),
        ),
        (
            "spec.storage.autoGrow.limit: must be a quantity, and not less than spec.storage.size",
            json!({ "storage": { "size": "2Gi", "autoGrow": { "limit": "1Gi" } } }),
        ),
        (
            "spec.storage.autoGrow.limit: must be a quantity",
            json!({ "storage": { "size": "2Gi", "autoGrow": { "limit": "all" } } }),
        ),
        (
            "spec.storage.autoGrow.stepPercent: must be between 20 and 100",
            json!({ "storage": { "size": "2Gi", "autoGrow": { "limit": "4Gi", "stepPercent": 5 } } }),
        ),
        (
            "spec.resources.requests.cpu: ",
            json!({ "resources": { "requests": { "cpu": "much" } } }),
        ),
        (
            "spec.resources.limits.memory: ",
            json!({ "resources": { "limits": { "memory": "-1Gi" } } }),
        ),
        (
            "spec.resources.requests.cpu: must not be above its limit",
            json!({ "resources": { "requests": { "cpu": "2" }, "limits": { "cpu": "1500m" } } }),
        ),
        (
            "spec.operations.fencedNodes[0]: \"demo-b-0\" names no node of this Cluster: expected demo-<zone>-<number>",
            json!({ "operations": { "fencedNodes": ["demo-b-0"] } }),
        ),
        (
            "spec.podTemplate.spec.containers[0].name: must be given",
            container(json!({ "image": "side:1" })),
        ),
        (
            "spec.podTemplate.spec.containers[0].imagePullPolicies: is no field of a pod template",
            container(json!({ "name": "node", "imagePullPolicies": "Always" })),
        ),
        (
            "spec.podTemplate: is no pod template: invalid type: string \"soon\"",
            json!({ "podTemplate": { "spec": { "terminationGracePeriodSeconds": "soon" } } }),
        ),
    ];
    check(&cases);
}

#[test]
fn each_problem_of_the_kv_engine_names_its_field_and_its_rule() {
    let cases = [
        (
            "spec.engines.kv.quota: must be a quantity above zero and at most 8Pi",
            kv(json!({ "quota": "0" })),
        ),
        (
            "spec.engines.kv.quota: must be a quantity above zero and at most 8Pi",
            kv(json!({ "quota": "9Pi" })),
        ),
        (
            "spec.engines.kv.autoCompaction.retention: must be a time such as 1h",
            kv(json!({ "autoCompaction": { "mode": "Periodic", "retention": "1000" } })),
        ),
        (
            "spec.engines.kv.autoCompaction.retention: must be a number of revisions",
            kv(json!({ "autoCompaction": { "mode": "Revision", "retention": "1h" } })),
        ),
        (
            "spec.engines.kv.tls.secretName: must be the name of a Secret",
            kv(json!({ "tls": { "secretName": "../../pods" } })),
        ),
        (
            "spec.engines.kv.auth.secretName: must be the name of a Secret",
            kv(json!({ "auth": { "secretName": "" } })),
        ),
    ];
    check(&cases);
}

fn check(cases: &[(&str, Value)]) {
    for (wanted, change) in cases {
        let told = problems(change.clone());
        assert!(told.starts_with(wanted), "wanted {wanted:?}, told {told:?}");
    }
}

#[test]
fn all_problems_are_told_at_once() {
    let told = problems(json!({ "image": "", "replicas": 16, "storage": { "size": "0" } }));
    for field in ["spec.image: ", "; spec.replicas: ", "; spec.storage.size: "] {
        assert!(told.contains(field), "{told}");
    }
}
