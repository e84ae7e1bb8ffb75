//! The alerts and the dashboard name only metrics that the operator has, and lead to what a person can do.
//!
//! Names without `kluster_operator_` are a node's; node-server holds them the same way, beside its metrics.

use std::collections::BTreeSet;

use crds::{ClusterStatus, ZoneStatus};
use operator::metrics::Metrics;
use serde_json::{Value, json};

use super::page::{anchors, code, links, read, rows, variants};

/// Every word of a text that begins with `start`.
fn words<'a>(text: &'a str, start: &str) -> BTreeSet<&'a str> {
    text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'))
        .filter(|word| word.starts_with(start))
        .collect()
}

/// What an operator serves that has done everything it can do.
fn served() -> String {
    let metrics = Metrics::default();
    metrics.leads(true);
    metrics.begin("default", "demo").ended(true);
    metrics.begin("default", "demo").ended(false);
    metrics.failed("apply");
    metrics.wrote("apply", "Service");
    let condition = json!({
        "type": "Ready", "status": "True", "reason": "WritesCommit", "message": "",
        "lastTransitionTime": "2026-01-01T00:00:00Z",
    });
    let status = ClusterStatus {
        zones: vec![ZoneStatus::default()],
        conditions: serde_json::from_value(json!([condition])).unwrap(),
        ..ClusterStatus::default()
    };
    metrics.told("default", "demo", &status);
    let under_way = metrics.begin("default", "demo");
    let text = metrics.text().unwrap();
    drop(under_way);
    text
}

fn alerts() -> Vec<Value> {
    let file: Value = serde_yaml_ng::from_str(&read("files/alerts.yaml")).unwrap();
    let groups = file["groups"].as_array().unwrap();
    let rules = groups.iter().flat_map(|g| g["rules"].as_array().unwrap());
    rules.cloned().collect()
}

fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_else(|| panic!("no {pointer} in {value}"))
}

#[test]
fn what_is_named_is_served() {
    let served = served();
    let samples: String = served
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| format!("{line}\n"))
        .collect();
    let known = words(&samples, "kluster_operator_");
    for file in ["files/alerts.yaml", "files/dashboard.json"] {
        let content = read(file);
        let used = words(&content, "kluster_operator_");
        assert!(used.len() > 5, "{file} names few metrics: {used:?}");
        let lost: Vec<_> = used.difference(&known).collect();
        assert!(lost.is_empty(), "{file}: {lost:?} is none of {known:#?}");
    }
}

#[test]
fn conditions_that_alerts_ask_for_exist() {
    let known = variants("ConditionType");
    for file in ["files/alerts.yaml", "files/dashboard.json"] {
        let content = read(file).replace("\\\"", "\"");
        for asked in content.split("condition=\"").skip(1) {
            let asked = asked.split('"').next().unwrap();
            assert!(known.contains(&asked), "{file}: no condition {asked}");
        }
    }
}

#[test]
fn every_alert_says_what_to_do() {
    let page = read("docs/conditions.md");
    let known = anchors(&page);
    let rows = rows(&page, "Alerts");
    let alerts = alerts();
    assert_eq!(alerts.len(), rows.len(), "alerts, and rows of the page");
    for (alert, row) in alerts.iter().zip(&rows) {
        let name = text(alert, "/alert");
        assert_eq!(name, code(&row[0]), "the page has them in their order");
        assert_eq!(text(alert, "/labels/severity"), row[1], "{name}");
        assert!(["critical", "warning", "info"].contains(&row[1].as_str()));
        for annotation in ["summary", "description"] {
            assert!(!text(alert, &format!("/annotations/{annotation}")).is_empty());
        }
        let runbook = text(alert, "/annotations/runbook_url");
        let anchor = runbook.strip_prefix("docs/conditions.md#").unwrap();
        assert!(known.contains(anchor), "{name}: no section {anchor}");
        assert_eq!(links(&row[3]), [anchor], "{name}");
    }
}

#[test]
fn the_dashboard_is_one() {
    let dashboard: Value = serde_json::from_str(&read("files/dashboard.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<_> = panels.iter().map(|p| p["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len(), "panels have ids of their own");
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        let targets = panel["targets"].as_array().unwrap();
        assert!(!targets.is_empty(), "{}", panel["title"]);
        for target in targets {
            let expression = target["expr"].as_str().unwrap();
            assert!(expression.contains("kluster_"), "{expression}");
        }
    }
}
