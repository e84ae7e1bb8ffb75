//! What was last told of each Cluster, as gauges. One row a Cluster, encoded when somebody asks: a label set of its
//! own for every sample would cost an operator of many Clusters more than all else it remembers.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{SystemTime, UNIX_EPOCH};

use crds::ClusterStatus;
use prometheus_client::collector::Collector;
use prometheus_client::encoding::DescriptorEncoder;
use prometheus_client::metrics::MetricType;
use prometheus_client::registry::Unit;

/// Namespace and name.
type Key = (String, String);
type Rows = BTreeMap<Key, Row>;

/// Name, help, unit and value of each gauge without a label of its own.
type Gauge = (&'static str, &'static str, Option<Unit>, fn(&Row) -> i64);

const GAUGES: [Gauge; 4] = [
    (
        "cluster_nodes_desired",
        "Nodes that the spec asks for; 0 while it cannot be read.",
        None,
        |row| row.desired,
    ),
    (
        "cluster_nodes_ready",
        "Nodes that are ready.",
        None,
        |row| row.ready,
    ),
    (
        "cluster_voters",
        "Members that vote, as the leader last said.",
        None,
        |row| row.voters,
    ),
    (
        "cluster_passed_time",
        "When a pass over the Cluster last went well.",
        Some(Unit::Seconds),
        |row| row.passed,
    ),
];

/// What was last told of each Cluster; clones share it.
#[derive(Clone, Debug, Default)]
pub struct ClusterGauges {
    rows: Arc<Mutex<Rows>>,
}

#[derive(Debug)]
struct Row {
    /// By type: 1 for True, 0 for False, -1 for Unknown.
    conditions: Vec<(String, i64)>,
    desired: i64,
    ready: i64,
    voters: i64,
    /// Seconds since 1970 at which a pass last went well; at which the Cluster was first told of, before one did.
    passed: i64,
}

impl Row {
    fn new() -> Row {
        Row {
            conditions: Vec::new(),
            desired: 0,
            ready: 0,
            voters: 0,
            passed: now(),
        }
    }
}

impl ClusterGauges {
    /// This status was told.
    pub fn told(&self, namespace: &str, name: &str, status: &ClusterStatus) {
        let mut rows = self.rows();
        let row = rows.entry(key(namespace, name)).or_insert_with(Row::new);
        let conditions = status.conditions.iter();
        row.conditions = conditions
            .map(|condition| (condition.type_.clone(), number(&condition.status)))
            .collect();
        row.desired = status.zones.iter().map(|z| i64::from(z.desired)).sum();
        row.ready = i64::from(status.ready_replicas);
        row.voters = status.log.as_ref().map_or(0, |log| i64::from(log.voters));
    }

    /// The Cluster cannot be read, which is told in these conditions alone.
    pub fn unreadable(&self, namespace: &str, name: &str, conditions: &[&str]) {
        let mut rows = self.rows();
        let row = rows.entry(key(namespace, name)).or_insert_with(Row::new);
        row.conditions
            .retain(|(type_, _)| !conditions.contains(&type_.as_str()));
        row.conditions
            .extend(conditions.iter().map(|type_| ((*type_).to_owned(), 0)));
    }

    /// A pass went well. Says nothing of a Cluster that nothing was told of.
    pub fn passed(&self, namespace: &str, name: &str) {
        if let Some(row) = self.rows().get_mut(&key(namespace, name)) {
            row.passed = now();
        }
    }

    /// The Cluster is gone.
    pub fn forget(&self, namespace: &str, name: &str) {
        self.rows().remove(&key(namespace, name));
    }

    /// Another operator tells of them now.
    pub fn clear(&self) {
        self.rows().clear();
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn key(namespace: &str, name: &str) -> Key {
    (namespace.to_owned(), name.to_owned())
}

fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(since.unwrap_or_default().as_secs()).unwrap_or(i64::MAX)
}

fn number(status: &str) -> i64 {
    match status {
        "True" => 1,
        "False" => 0,
        _ => -1,
    }
}

impl Collector for ClusterGauges {
    fn encode(&self, mut encoder: DescriptorEncoder) -> Result<(), fmt::Error> {
        let rows = self.rows();
        if rows.is_empty() {
            return Ok(());
        }
        conditions(&mut encoder, &rows)?;
        for (name, help, unit, value) in GAUGES {
            let mut family =
                encoder.encode_descriptor(name, help, unit.as_ref(), MetricType::Gauge)?;
            for ((namespace, name), row) in rows.iter() {
                let labels = [("namespace", namespace.as_str()), ("name", name.as_str())];
                family.encode_family(&labels)?.encode_gauge(&value(row))?;
            }
        }
        Ok(())
    }
}

fn conditions(encoder: &mut DescriptorEncoder, rows: &Rows) -> Result<(), fmt::Error> {
    let help = "A condition of the Cluster: 1 True, 0 False, -1 Unknown.";
    let mut family =
        encoder.encode_descriptor("cluster_condition", help, None, MetricType::Gauge)?;
    for ((namespace, name), row) in rows {
        for (type_, value) in &row.conditions {
            let labels = [
                ("namespace", namespace.as_str()),
                ("name", name.as_str()),
                ("condition", type_.as_str()),
            ];
            family.encode_family(&labels)?.encode_gauge(value)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use crds::{LogStatus, ZoneStatus};
    use prometheus_client::encoding::text::encode;
    use prometheus_client::registry::Registry;

    use super::*;

    fn text(gauges: &ClusterGauges) -> String {
        let mut registry = Registry::with_prefix("kluster_operator");
        registry.register_collector(Box::new(gauges.clone()));
        let mut text = String::new();
        encode(&mut text, &registry).unwrap();
        text
    }

    fn status(conditions: &[(&str, &str)]) -> ClusterStatus {
        let conditions: Vec<_> = conditions
            .iter()
            .map(|(type_, status)| {
                serde_json::json!({
                    "type": type_, "status": status, "reason": "Any", "message": "",
                    "lastTransitionTime": "2026-01-01T00:00:00Z",
                })
            })
            .collect();
        let zone = |name: &str, desired| ZoneStatus {
            name: name.to_owned(),
            desired,
            ready: 1,
        };
        ClusterStatus {
            ready_replicas: 2,
            zones: vec![zone("a", 2), zone("b", 1)],
            log: Some(LogStatus {
                voters: 3,
                ..LogStatus::default()
            }),
            conditions: serde_json::from_value(conditions.into()).unwrap(),
            ..ClusterStatus::default()
        }
    }

    #[test]
    fn what_was_told_shows_until_the_cluster_is_gone() {
        let gauges = ClusterGauges::default();
        assert!(!text(&gauges).contains("cluster"), "{}", text(&gauges));
        gauges.passed("default", "demo");
        assert!(!text(&gauges).contains("demo"), "{}", text(&gauges));
        gauges.told(
            "default",
            "demo",
            &status(&[
                ("Ready", "True"),
                ("Degraded", "False"),
                ("UpToDate", "Unknown"),
            ]),
        );
        let shown = text(&gauges);
        for line in [
            r#"cluster_condition{namespace="default",name="demo",condition="Ready"} 1"#,
            r#"cluster_condition{namespace="default",name="demo",condition="Degraded"} 0"#,
            r#"cluster_condition{namespace="default",name="demo",condition="UpToDate"} -1"#,
            r#"cluster_nodes_desired{namespace="default",name="demo"} 3"#,
            r#"cluster_nodes_ready{namespace="default",name="demo"} 2"#,
            r#"cluster_voters{namespace="default",name="demo"} 3"#,
        ] {
            let line = format!("kluster_operator_{line}");
            assert!(shown.lines().any(|shown| shown == line), "{line}: {shown}");
        }
        gauges.told("default", "demo", &status(&[("Ready", "False")]));
        assert!(text(&gauges).contains(r#"condition="Ready"} 0"#));
        assert!(!text(&gauges).contains("Degraded"));
        gauges.forget("default", "demo");
        assert!(!text(&gauges).contains("demo"), "{}", text(&gauges));
    }

    #[test]
    fn a_cluster_that_cannot_be_read_keeps_what_is_known_of_it() {
        let gauges = ClusterGauges::default();
        gauges.told(
            "a",
            "x",
            &status(&[("Ready", "True"), ("UpToDate", "True")]),
        );
        gauges.unreadable("a", "x", &["Ready", "SpecValid"]);
        let shown = text(&gauges);
        for end in ["\"Ready\"} 0", "\"SpecValid\"} 0", "\"UpToDate\"} 1"] {
            assert!(shown.contains(end), "{end}: {shown}");
        }
        gauges.clear();
        assert!(!text(&gauges).contains("cluster"), "{}", text(&gauges));
    }
}
