//! What helm makes of the chart.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use operator::config::Config;
use serde::Deserialize;
use serde_json::Value;

use super::page::read;
use crate::bed::{lint_chart, render_chart};

const EVERYTHING: &[&str] = &[
    "--set",
    "monitoring.podMonitor.enabled=true,monitoring.rules.enabled=true,monitoring.dashboard.enabled=true",
    "--set",
    "monitoring.rules.runbookUrl=https://runbooks.example/kluster,monitoring.rules.labels.release=prometheus",
];

fn rendered(settings: &[&str]) -> Result<Vec<Value>> {
    let text = render_chart("here", settings)?;
    let documents = serde_yaml_ng::Deserializer::from_str(&text);
    let objects: Result<Vec<Value>, _> = documents.map(Value::deserialize).collect();
    let objects = objects.context("helm renders YAML")?;
    Ok(objects.into_iter().filter(|o| !o.is_null()).collect())
}

fn of_kind<'a>(objects: &'a [Value], kind: &str) -> Vec<&'a Value> {
    objects.iter().filter(|o| o["kind"] == kind).collect()
}

/// What the operator makes of the environment that the chart gives it.
fn config(objects: &[Value]) -> Result<Config> {
    let deployment = of_kind(objects, "Deployment")[0];
    let container = &deployment["spec"]["template"]["spec"]["containers"][0];
    let variables: BTreeMap<&str, &str> = container["env"]
        .as_array()
        .context("variables")?
        .iter()
        .filter_map(|one| Some((one["name"].as_str()?, one["value"].as_str()?)))
        .collect();
    let get = |name: &str| variables.get(name).map(|value| (*value).to_owned());
    Ok(Config::from_variables(&get)?)
}

#[test]
fn helm_finds_nothing_wrong() -> Result<()> {
    lint_chart(&[])?;
    lint_chart(EVERYTHING)
}

#[test]
fn monitoring_comes_when_asked_for() -> Result<()> {
    let plain = rendered(&[])?;
    for kind in ["PrometheusRule", "PodMonitor", "ConfigMap"] {
        assert!(of_kind(&plain, kind).is_empty(), "{kind} unasked");
    }
    let objects = rendered(EVERYTHING)?;
    let rules = of_kind(&objects, "PrometheusRule");
    let shipped = read("files/alerts.yaml")
        .replace("docs/conditions.md#", "https://runbooks.example/kluster#");
    let shipped: Value = serde_yaml_ng::from_str(&shipped)?;
    assert_eq!(rules[0]["spec"], shipped);
    assert_eq!(rules[0]["metadata"]["labels"]["release"], "prometheus");

    let dashboards = of_kind(&objects, "ConfigMap");
    let dashboard = dashboards[0]["data"]["kluster.json"].as_str();
    let dashboard: Value = serde_json::from_str(dashboard.context("a dashboard")?)?;
    let shipped: Value = serde_json::from_str(&read("files/dashboard.json"))?;
    assert_eq!(dashboard, shipped);
    assert_eq!(
        dashboards[0]["metadata"]["labels"]["grafana_dashboard"],
        "1"
    );
    Ok(())
}

#[test]
fn monitors_select_the_pods_that_there_are() -> Result<()> {
    let objects = rendered(EVERYTHING)?;
    let monitors = of_kind(&objects, "PodMonitor");
    let [operators, nodes] = monitors[..] else {
        panic!("two PodMonitors: {monitors:#?}");
    };
    let selected = |monitor: &Value, labels: &Value| {
        let asked = monitor["spec"]["selector"]["matchLabels"]
            .as_object()
            .unwrap();
        asked.iter().all(|(name, value)| labels[name] == *value)
    };
    let pods = &of_kind(&objects, "Deployment")[0]["spec"]["template"]["metadata"]["labels"];
    let owned = serde_json::to_value(crds::labels::owned("demo"))?;
    assert!(selected(operators, pods) && !selected(operators, &owned));
    assert!(selected(nodes, &owned) && !selected(nodes, pods));
    assert_eq!(
        operators["spec"]["podMetricsEndpoints"][0]["honorLabels"],
        true
    );
    assert_eq!(nodes["spec"]["namespaceSelector"]["any"], true);
    let one = rendered(&[EVERYTHING, &["--set", "scope=Namespace"]].concat())?;
    assert!(of_kind(&one, "PodMonitor")[1]["spec"]["namespaceSelector"].is_null());
    Ok(())
}

#[test]
fn the_operator_understands_what_the_chart_tells_it() -> Result<()> {
    let config = config(&rendered(&[])?)?;
    assert_eq!(config.lease.context("an election")?.ttl.as_secs(), 15);
    assert_eq!(config.watch_namespace, None);
    for seconds in [3, 600] {
        let setting = format!("lease.durationSeconds={seconds}");
        let config = self::config(&rendered(&["--set", &setting])?)?;
        assert_eq!(config.lease.context("an election")?.ttl.as_secs(), seconds);
    }
    let times = "lease.renewDeadlineSeconds=12,lease.retryPeriodSeconds=2";
    let lease = self::config(&rendered(&["--set", times])?)?.lease;
    let lease = lease.context("an election")?;
    assert_eq!(lease.renew_deadline.as_secs(), 12);
    assert_eq!(lease.retry_period.as_secs(), 2);
    let six = rendered(&["--set", "metrics.address=[::],metrics.port=9000"])?;
    let config = self::config(&six)?;
    assert_eq!(config.metrics_address, Some("[::]:9000".parse()?));
    Ok(())
}

#[test]
fn no_election_is_for_one_operator() -> Result<()> {
    let refused = rendered(&["--set", "lease.enabled=false"]).unwrap_err();
    assert!(format!("{refused:#}").contains("at most 1"), "{refused:#}");
    let alone = rendered(&["--set", "lease.enabled=false,replicas=1,scope=Namespace"])?;
    assert_eq!(config(&alone)?.lease, None);
    let deployment = of_kind(&alone, "Deployment")[0];
    assert_eq!(deployment["spec"]["strategy"]["type"], "Recreate");
    let leases = serde_json::to_string(&of_kind(&alone, "Role"))?;
    assert!(!leases.contains("leases"), "{leases}");
    for wrong in [
        "lease.durationSeconds=2",
        "lease.durationSeconds=601",
        "metrics.address=here",
    ] {
        assert!(rendered(&["--set", wrong]).is_err(), "{wrong}");
    }
    Ok(())
}
