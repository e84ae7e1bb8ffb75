//! Whether an object still says what the operator said: its hash is the same, and so is every field that the
//! operator sets. Fields that others add are theirs.

use serde_json::Value;

use crate::resource::Resource;
use crate::validate::compare;

/// Lists to whose items others may add their own.
const SHARED_LISTS: [&str; 9] = [
    "containers",
    "initContainers",
    "volumes",
    "volumeMounts",
    "env",
    "ports",
    "ownerReferences",
    "imagePullSecrets",
    "topologySpreadConstraints",
];

/// True when `live` (with the hash `hash` in its annotations) is what `wanted` says.
pub fn holds(wanted: &Resource, hash: Option<&str>, live: &Value) -> bool {
    hash == Some(&wanted.hash) && (live.is_null() || covers("", &compared(&wanted.object), live))
}

/// Without what names the object: it was found by that.
fn compared(object: &Value) -> Value {
    let mut object = object.clone();
    if let Value::Object(fields) = &mut object {
        fields.retain(|key, _| key != "apiVersion" && key != "kind");
        if let Some(Value::Object(metadata)) = fields.get_mut("metadata") {
            metadata.retain(|key, _| {
                matches!(key.as_str(), "labels" | "annotations" | "ownerReferences")
            });
        }
    }
    object
}

fn covers(key: &str, wanted: &Value, live: &Value) -> bool {
    match (wanted, live) {
        (Value::Object(wanted), live) => wanted.iter().all(|(key, wanted)| match live.get(key) {
            Some(live) => covers(key, wanted, live),
            None => is_empty(wanted),
        }),
        (Value::Array(wanted), Value::Array(live)) if SHARED_LISTS.contains(&key) => wanted
            .iter()
            .all(|wanted| live.iter().any(|live| covers("", wanted, live))),
        (Value::Array(wanted), Value::Array(live)) => {
            wanted.len() == live.len()
                && wanted
                    .iter()
                    .zip(live)
                    .all(|(wanted, live)| covers("", wanted, live))
        }
        (Value::Number(wanted), Value::Number(live)) => wanted.as_f64() == live.as_f64(),
        (Value::String(wanted), Value::String(live)) => {
            wanted == live || compare(wanted, live) == Some(std::cmp::Ordering::Equal)
        }
        (wanted, live) => wanted == live,
    }
}

/// True for what the API server leaves out when it writes an object down.
fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Bool(value) => !value,
        Value::Number(value) => value.as_f64() == Some(0.0),
        Value::String(value) => value.is_empty(),
        Value::Object(fields) => fields.values().all(is_empty),
        Value::Array(items) => items.is_empty(),
    }
}

#[cfg(test)]
mod tests {
    use super::covers;
    use serde_json::json;

    #[test]
    fn what_others_add_is_theirs_and_what_they_change_is_not() {
        let wanted = json!({"spec": {"replicas": 3, "resources": {}, "readOnly": false, "value": "", "containers": [{"name": "node", "args": ["a"]}],
            "requests": {"cpu": "1000m"}}});
        let live = json!({"spec": {"replicas": 3, "extra": 1, "requests": {"cpu": "1"},
            "containers": [{"name": "side"}, {"name": "node", "args": ["a"], "image": "x"}]}});
        assert!(covers("", &wanted, &live));
        for (at, value) in [
            ("/spec/replicas", json!(4)),
            ("/spec/requests/cpu", json!("2")),
            ("/spec/containers/1/args", json!(["a", "b"])),
            ("/spec/containers", json!([])),
        ] {
            let mut changed = live.clone();
            *changed.pointer_mut(at).unwrap() = value;
            assert!(!covers("", &wanted, &changed), "{at}");
        }
    }

    #[test]
    fn rules_that_others_add_are_not_tolerated() {
        let wanted = json!({"rules": [{"verbs": ["get"]}]});
        assert!(covers("", &wanted, &wanted));
        assert!(!covers(
            "",
            &wanted,
            &json!({"rules": [{"verbs": ["get"]}, {"verbs": ["*"]}]})
        ));
    }
}
