//! The promises of the definitions, held without an API server.

use std::path::Path;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use serde_json::{Value, json};

use crate::{Cluster, ClusterNode, TEXT_BYTES_MAX, clip, manifests, names};

fn cluster(change: impl FnOnce(&mut Value)) -> Cluster {
    let mut manifest = json!({
        "apiVersion": "kluster.dev/v1alpha1",
        "kind": "Cluster",
        "metadata": { "name": "demo", "namespace": "default" },
        "spec": { "image": "kluster-node:1", "replicas": 3, "storage": { "size": "10Gi" } },
    });
    change(&mut manifest);
    serde_json::from_value(manifest).unwrap()
}

fn refused(new: &Cluster) -> String {
    new.validate_cel().unwrap_err().to_string()
}

fn refused_update(old: &Cluster, new: &Cluster) -> String {
    new.validate_cel_update(old).unwrap_err().to_string()
}

#[test]
fn the_files_are_those_the_types_make() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    for folder in manifests::FOLDERS {
        for manifest in manifests::all().unwrap() {
            let path = top.join(folder).join(&manifest.file);
            let found = std::fs::read_to_string(&path).unwrap_or_default();
            assert!(
                found == manifest.yaml,
                "{folder}/{}: run `cargo run -p crds`",
                manifest.file
            );
        }
    }
}

#[test]
fn each_definition_fits_client_side_apply_with_room() {
    for manifest in manifests::all().unwrap() {
        assert!(
            manifest.yaml.len() < 100_000,
            "{} has {} bytes",
            manifest.file,
            manifest.yaml.len()
        );
    }
}

#[test]
fn every_list_map_and_text_is_bounded() {
    fn walk(path: &str, node: &Value) {
        let missing = |key: &str| node[key].is_null();
        let unbounded = match node["type"].as_str() {
            Some("string") => missing("maxLength") && missing("enum") && missing("format"),
            Some("array") => missing("maxItems"),
            Some("object") => !missing("additionalProperties") && missing("maxProperties"),
            _ => false,
        };
        assert!(!unbounded, "{path} has no bound");
        for (name, below) in node["properties"].as_object().into_iter().flatten() {
            walk(&format!("{path}.{name}"), below);
        }
        for key in ["items", "additionalProperties"] {
            if node[key].is_object() {
                walk(&format!("{path}[]"), &node[key]);
            }
        }
    }
    for manifest in manifests::all().unwrap() {
        let schema = &manifest.definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"];
        for part in ["spec", "status"] {
            assert!(schema["properties"][part].is_object());
            walk(
                &format!("{} {part}", manifest.file),
                &schema["properties"][part],
            );
        }
    }
}

#[test]
fn replicas_are_three_when_none_are_given_and_scale_has_its_paths() {
    let given = cluster(|m| drop(m["spec"].as_object_mut().unwrap().remove("replicas")));
    assert_eq!(given.spec.replicas, 3);
    let definition = &manifests::all().unwrap()[1].definition;
    let version = &definition["spec"]["versions"][0];
    assert_eq!(
        version["subresources"]["scale"],
        json!({
            "specReplicasPath": ".spec.replicas",
            "statusReplicasPath": ".status.replicas",
            "labelSelectorPath": ".status.selector",
        })
    );
    let replicas =
        &version["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"]["replicas"];
    assert_eq!(
        (replicas["minimum"].as_f64(), replicas["maximum"].as_f64()),
        (Some(1.0), Some(15.0))
    );
}

#[test]
fn kubectl_get_shows_what_matters_under_short_names() {
    let cases = [
        (
            "clusters.yaml",
            "kc",
            "Ready Reason Degraded Doing Nodes Desired Leader Version Age",
            "Health, Waits for",
        ),
        (
            "clusternodes.yaml",
            "kcn",
            "Cluster Role Membership Ready Term Position Disk Version Age",
            "Member, Log, Message",
        ),
    ];
    for (file, short, always, wide) in cases {
        let manifests = manifests::all().unwrap();
        let found = manifests.into_iter().find(|m| m.file == file).unwrap();
        let names = &found.definition["spec"]["names"];
        assert_eq!(names["shortNames"], json!([short]));
        assert_eq!(names["categories"], json!(["kluster"]));
        let columns = found.definition["spec"]["versions"][0]["additionalPrinterColumns"]
            .as_array()
            .unwrap();
        let shown = |priority: i64, between: &str| {
            let of_priority =
                |column: &&Value| column["priority"].as_i64().unwrap_or(0) == priority;
            let names: Vec<_> = columns
                .iter()
                .filter(of_priority)
                .filter_map(|column| column["name"].as_str())
                .collect();
            names.join(between)
        };
        assert_eq!(
            (shown(0, " ").as_str(), shown(1, ", ").as_str()),
            (always, wide)
        );
    }
}

#[test]
fn good_clusters_pass() {
    cluster(|_| ()).validate_cel().unwrap();
    cluster(|m| m["metadata"]["name"] = json!("x".repeat(40)))
        .validate_cel()
        .unwrap();
    cluster(|m| m["spec"]["storage"]["size"] = json!(1_000_000_000))
        .validate_cel()
        .unwrap();
}

#[test]
fn names_that_cannot_name_a_service_are_refused() {
    let long = refused(&cluster(|m| m["metadata"]["name"] = json!("x".repeat(41))));
    assert!(long.contains("at most 40 characters"), "{long}");
    for bad in ["1demo", "a.b", "demo-"] {
        let message = refused(&cluster(|m| m["metadata"]["name"] = json!(bad)));
        assert!(message.contains("begin with a letter"), "{bad}: {message}");
    }
}

#[test]
fn storage_is_a_size_that_only_grows_of_one_class() {
    for bad in ["ten", "0", "-1Gi"] {
        let message = refused(&cluster(|m| m["spec"]["storage"]["size"] = json!(bad)));
        assert!(
            message.contains("quantity above zero") && message.contains("storage.size"),
            "{bad}: {message}"
        );
    }
    let old = cluster(|_| ());
    let mut new = old.clone();
    new.spec.storage.size = Quantity("20Gi".into());
    new.validate_cel_update(&old).unwrap();
    let message = refused_update(&new, &old);
    assert!(message.contains("can only grow"), "{message}");

    new.spec.storage.storage_class_name = Some("fast".into());
    assert!(refused_update(&old, &new).contains("storageClassName is fixed"));
    assert!(refused_update(&new, &old).contains("storageClassName is fixed"));
}

#[test]
fn volumes_grow_by_themselves_up_to_a_limit_that_holds_their_size() {
    let limited = |limit| cluster(|m| m["spec"]["storage"]["autoGrow"] = json!({ "limit": limit }));
    for good in ["10Gi", "100Gi"] {
        let good = limited(good);
        good.validate_cel().unwrap();
        let auto_grow = good.spec.storage.auto_grow.unwrap();
        assert_eq!(auto_grow.step_percent, 50);
    }
    let message = refused(&limited("9Gi"));
    assert!(message.contains("must not be less than size"), "{message}");
    let message = refused(&limited("all"));
    assert!(message.contains("quantity above zero"), "{message}");
    // It may come, go and change at any time.
    let (none, some) = (cluster(|_| ()), limited("20Gi"));
    some.validate_cel_update(&none).unwrap();
    none.validate_cel_update(&some).unwrap();
    limited("15Gi").validate_cel_update(&some).unwrap();
}

#[test]
fn the_kv_engine_is_set_to_what_makes_sense() {
    let with = |kv: Value| cluster(|m| m["spec"]["engines"] = json!({ "kv": kv }));
    let compaction = |mode, retention| {
        with(json!({ "autoCompaction": { "mode": mode, "retention": retention } }))
    };
    for good in [
        with(json!({ "quota": "8Gi" })),
        with(json!({ "quota": null })),
        with(json!({ "tls": { "secretName": "tls" }, "auth": { "secretName": "auth" } })),
        compaction("Periodic", "1h"),
        compaction("Periodic", "90s"),
        compaction("Revision", "1000"),
    ] {
        good.validate_cel().unwrap();
    }
    for (bad, wanted) in [
        (with(json!({ "quota": "much" })), "quantity above zero"),
        (with(json!({ "quota": "0" })), "quantity above zero"),
        (compaction("Periodic", "1000"), "retention must be"),
        (compaction("Periodic", "0h"), "retention must be"),
        (compaction("Revision", "1h"), "retention must be"),
    ] {
        let message = refused(&bad);
        assert!(message.contains(wanted), "{message}");
    }
}

#[test]
fn zones_stay_as_they_were_created() {
    let none = cluster(|_| ());
    let ab = cluster(|m| m["spec"]["zones"] = json!([{ "name": "a" }, { "name": "b" }]));
    let a = cluster(|m| m["spec"]["zones"] = json!([{ "name": "a" }]));
    ab.validate_cel_update(&ab).unwrap();
    none.validate_cel_update(&none).unwrap();
    for (old, new) in [(&none, &ab), (&ab, &none), (&ab, &a), (&a, &ab)] {
        let message = refused_update(old, new);
        assert!(message.contains("zones are fixed"), "{message}");
    }
}

#[test]
fn a_node_never_changes_its_cluster() {
    let node = |cluster: &str| -> ClusterNode {
        serde_json::from_value(json!({
            "apiVersion": "kluster.dev/v1alpha1",
            "kind": "ClusterNode",
            "metadata": { "name": "demo-a-0" },
            "spec": { "cluster": cluster },
        }))
        .unwrap()
    };
    node("demo").validate_cel_update(&node("demo")).unwrap();
    assert!(node("demo").validate_cel_update(&node("other")).is_err());
}

#[test]
fn names_of_pods_are_read_back_and_never_mistaken() {
    let pod = names::pod("my-db", "a", 12);
    assert_eq!(names::zone_and_ordinal("my-db", &pod), Some(("a", 12)));
    assert_eq!(names::zone_and_ordinal("my", &pod), None);
    for other in [
        "my-db-a",
        "my-db-a-x",
        "my-db-a-01",
        "my-db-a-1-2",
        "other-a-1",
        "my-db--1",
    ] {
        assert_eq!(names::zone_and_ordinal("my-db", other), None, "{other}");
    }
    assert_eq!(
        names::pod_of_volume_claim(&names::volume_claim(&pod)),
        Some(pod.as_str())
    );
    assert!(names::stateful_set(&"x".repeat(40), &"z".repeat(11)).len() <= 52);
}

#[test]
fn long_texts_are_cut_at_a_character() {
    assert_eq!(clip("short"), "short");
    let cut = clip(&"ä".repeat(1000));
    assert!(cut.len() <= TEXT_BYTES_MAX && cut.ends_with("..."));
}
