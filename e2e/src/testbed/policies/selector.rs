//! Label selectors.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, LabelSelectorRequirement};

/// Labels of an object.
pub type Labels = BTreeMap<String, String>;

/// Whether `labels` are selected. An empty selector selects everything.
pub fn selects(selector: &LabelSelector, labels: &Labels) -> bool {
    let pairs = selector.match_labels.iter().flatten();
    let requirements = selector.match_expressions.iter().flatten();
    pairs
        .into_iter()
        .all(|(key, value)| labels.get(key) == Some(value))
        && requirements
            .into_iter()
            .all(|requirement| holds(requirement, labels))
}

/// An operator that does not exist holds of nothing.
fn holds(requirement: &LabelSelectorRequirement, labels: &Labels) -> bool {
    let value = labels.get(&requirement.key);
    let listed = value.is_some_and(|value| requirement.values.iter().flatten().any(|v| v == value));
    match requirement.operator.as_str() {
        "In" => listed,
        "NotIn" => !listed,
        "Exists" => value.is_some(),
        "DoesNotExist" => value.is_none(),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn check(selector: &Value, labels: &Value, expected: bool) {
        let parsed: LabelSelector = serde_json::from_value(selector.clone()).unwrap();
        let of: Labels = serde_json::from_value(labels.clone()).unwrap();
        assert_eq!(selects(&parsed, &of), expected, "{selector} on {labels}");
    }

    #[test]
    fn a_selector_holds_when_all_of_it_does() {
        let labels = json!({"app": "web", "tier": "front"});
        let expression = |operator: &str, key: &str, values: &[&str]| json!({"matchExpressions": [{"key": key, "operator": operator, "values": values}]});
        check(&json!({}), &labels, true);
        check(&json!({"matchLabels": {"app": "web"}}), &labels, true);
        check(
            &json!({"matchLabels": {"app": "web", "x": "y"}}),
            &labels,
            false,
        );
        check(&expression("In", "tier", &["front", "back"]), &labels, true);
        check(&expression("In", "tier", &["back"]), &labels, false);
        check(&expression("NotIn", "tier", &["back"]), &labels, true);
        check(&expression("NotIn", "absent", &["back"]), &labels, true);
        check(&expression("Exists", "tier", &[]), &labels, true);
        check(&expression("DoesNotExist", "tier", &[]), &labels, false);
    }
}
