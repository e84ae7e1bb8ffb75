//! A bound on every list, map and text of a schema, also of the parts that come from Kubernetes' own types.

use serde_json::{Map, Value};

/// Longest text that a status field for people holds, in bytes.
pub const TEXT_BYTES_MAX: usize = 1024;

const STRING_MAX: u64 = 4096;
const LIST_MAX: u64 = 64;
const MAP_MAX: u64 = 64;

/// `text` cut at a character so that it fits [`TEXT_BYTES_MAX`].
pub fn clip(text: &str) -> String {
    if text.len() <= TEXT_BYTES_MAX {
        return text.to_owned();
    }
    let mut end = TEXT_BYTES_MAX - 3;
    while !text.is_char_boundary(end) {
        end -= 1;
    }
    format!("{}...", text.split_at(end).0)
}

/// Bounds every list, map and text below `schema` that has no bound of its own, and drops descriptions longer than
/// a line (Kubernetes' types bring whole pages).
pub(crate) fn bound(schema: &mut Value) {
    let Value::Object(node) = schema else { return };
    if node
        .get("description")
        .and_then(Value::as_str)
        .is_some_and(|d| d.len() > 160)
    {
        node.remove("description");
    }
    node.remove("title");
    limit(node);
    for (key, below) in node.iter_mut() {
        match (key.as_str(), below) {
            ("properties", Value::Object(properties)) => properties.values_mut().for_each(bound),
            ("items" | "additionalProperties", below) => bound(below),
            _ => {}
        }
    }
}

fn limit(node: &mut Map<String, Value>) {
    let kind = node.get("type").and_then(Value::as_str);
    let (key, max) = match kind {
        Some("string") if !node.contains_key("enum") && !node.contains_key("format") => {
            ("maxLength", STRING_MAX)
        }
        Some("array") => ("maxItems", LIST_MAX),
        Some("object") if node.contains_key("additionalProperties") => ("maxProperties", MAP_MAX),
        _ => return,
    };
    node.entry(key).or_insert_with(|| max.into());
}
