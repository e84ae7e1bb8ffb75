//! The fields of `Cluster.spec`, as the shipped definition has them.

use anyhow::{Context, Result};
use serde_json::Value;

/// Fields whose insides are Kubernetes' own types: one case stands for all of them.
const FOREIGN: [&str; 4] = [
    "scheduling.affinity",
    "scheduling.tolerations",
    "scheduling.topologySpreadConstraints",
    "networkPolicy.allowFrom",
];

/// Every field below `spec`, such as `zones[].name`.
pub fn fields() -> Result<Vec<String>> {
    let manifests = crds::manifests::all()?;
    let clusters = manifests
        .iter()
        .find(|manifest| manifest.file == "clusters.yaml")
        .context("the definition of Clusters")?;
    let spec = clusters
        .definition
        .pointer("/spec/versions/0/schema/openAPIV3Schema/properties/spec")
        .context("the schema of the spec")?;
    let mut found = Vec::new();
    collect(String::new(), spec, &mut found);
    Ok(found)
}

fn collect(path: String, schema: &Value, found: &mut Vec<String>) {
    let item = schema
        .get("items")
        .filter(|item| item.get("properties").is_some());
    let (path, below) = match item {
        Some(item) if !FOREIGN.contains(&path.as_str()) => (format!("{path}[]"), item),
        _ => (path, schema),
    };
    let properties = below.get("properties").and_then(Value::as_object);
    match properties.filter(|_| !FOREIGN.contains(&path.as_str())) {
        None => found.push(path),
        Some(properties) => {
            for (name, schema) in properties {
                let dot = if path.is_empty() { "" } else { "." };
                collect(format!("{path}{dot}{name}"), schema, found);
            }
        }
    }
}
