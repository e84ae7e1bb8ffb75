//! The strategic merge of a pod template overlay: objects are merged key by key, the lists that Kubernetes merges by
//! a key are merged by that key, every other list is replaced, and `null` takes a field away.

use serde_json::Value;

/// The lists of a pod template that are merged, and the keys of their items.
const MERGED_LISTS: [(&str, &str); 9] = [
    ("containers", "name"),
    ("initContainers", "name"),
    ("volumes", "name"),
    ("env", "name"),
    ("volumeMounts", "mountPath"),
    ("ports", "containerPort"),
    ("imagePullSecrets", "name"),
    ("hostAliases", "ip"),
    ("topologySpreadConstraints", "topologyKey"),
];

/// Lays `over` on `base`.
pub fn merge(base: &mut Value, over: &Value) {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) => {
            for (key, value) in over {
                if value.is_null() {
                    base.remove(key);
                    continue;
                }
                let merged_by = MERGED_LISTS
                    .iter()
                    .find(|(list, _)| list == key)
                    .map(|(_, by)| *by);
                match (base.get_mut(key), merged_by, value) {
                    (Some(Value::Array(items)), Some(by), Value::Array(over)) => {
                        merge_list(items, over, by)
                    }
                    (Some(below), _, over) => merge(below, over),
                    (None, _, value) => {
                        base.insert(key.clone(), without_nulls(value));
                    }
                }
            }
        }
        (base, over) => *base = without_nulls(over),
    }
}

fn merge_list(items: &mut Vec<Value>, over: &[Value], by: &str) {
    for value in over {
        match items
            .iter_mut()
            .find(|item| item.get(by).is_some() && item.get(by) == value.get(by))
        {
            Some(item) => merge(item, value),
            None => items.push(without_nulls(value)),
        }
    }
}

fn without_nulls(value: &Value) -> Value {
    match value {
        Value::Object(fields) => fields
            .iter()
            .filter(|(_, below)| !below.is_null())
            .map(|(key, below)| (key.clone(), without_nulls(below)))
            .collect(),
        Value::Array(items) => items.iter().map(without_nulls).collect(),
        leaf => leaf.clone(),
    }
}

#[cfg(test)]
mod tests {
    use super::merge;
    use serde_json::json;

    #[test]
    fn containers_merge_by_name_and_plain_lists_are_replaced() {
        let mut base = json!({"spec": {"containers": [
            {"name": "node", "image": "a", "args": ["x", "y"], "env": [{"name": "A", "value": "1"}]}]}});
        let over = json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"priority": null, "containers": [
            {"name": "side", "image": "s"},
            {"name": "node", "args": ["z"], "env": [{"name": "B", "value": "2"}, {"name": "A", "value": "3"}]}]}});
        merge(&mut base, &over);
        assert_eq!(
            base,
            json!({"metadata": {"annotations": {"a": "b"}}, "spec": {"containers": [
                {"name": "node", "image": "a", "args": ["z"],
                 "env": [{"name": "A", "value": "3"}, {"name": "B", "value": "2"}]},
                {"name": "side", "image": "s"}]}})
        );
    }

    #[test]
    fn null_takes_a_field_away() {
        let mut base = json!({"spec": {"securityContext": {"runAsUser": 1, "fsGroup": 2}}});
        merge(
            &mut base,
            &json!({"spec": {"securityContext": {"fsGroup": null}}}),
        );
        assert_eq!(base, json!({"spec": {"securityContext": {"runAsUser": 1}}}));
    }
}
