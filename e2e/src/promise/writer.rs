//! A writer that never stops: `klusterctl soak` in a pod, through the client Service, and what it found at its end.

use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde::Deserialize;
use serde_json::{Value, json};

use super::cluster::Cluster;
use super::place::{IMAGE, TAG};
use crate::wait;

/// How many writers were started: each has keys of its own.
static STARTED: AtomicU32 = AtomicU32::new(0);
/// The fewest acknowledged writes a second over the whole run.
const RATE_MIN: f64 = 50.0;

/// What the writer found: `klusterctl soak --json`.
#[derive(Debug, Deserialize)]
pub struct Report {
    /// Writes that were acknowledged.
    pub acknowledged: u64,
    /// Writes whose outcome is unknown.
    pub unknown: u64,
    /// Writes that were surely not applied.
    pub refused: u64,
    /// How long it wrote.
    pub seconds: f64,
    /// The longest time between two acknowledged writes, in milliseconds.
    pub gap_ms_max: u64,
    /// What 99 % of the times between two acknowledged writes do not exceed, in milliseconds.
    pub gap_ms_p99: u64,
    /// Nodes that were read at the end, by member id.
    pub nodes: Vec<NodeReport>,
    /// True when the digests of all nodes agree at one position.
    pub digests_agree: bool,
}

/// What one node had at the end.
#[derive(Debug, Deserialize)]
pub struct NodeReport {
    /// Where it was asked.
    pub address: String,
    /// Acknowledged writes it does not have, or has with another value.
    pub missing: u64,
}

/// A running writer.
pub struct Writer<'a> {
    cluster: &'a Cluster,
    /// The key whose presence ends it.
    stop_key: String,
}

impl<'a> Writer<'a> {
    /// Starts the writer and waits until its first write was acknowledged.
    ///
    /// # Errors
    /// When its pod does not run.
    pub async fn start(cluster: &'a Cluster) -> Result<Self> {
        Self::start_on(cluster, &json!({})).await
    }

    /// Starts it where there may be nobody yet who takes its writes.
    ///
    /// # Errors
    /// When its pod is refused.
    pub fn start_early(cluster: &'a Cluster) -> Result<Self> {
        Self::create(cluster, &json!({}))
    }

    /// [`Writer::start`] in one zone, for a test that does something to another.
    ///
    /// # Errors
    /// When its pod does not run.
    pub async fn start_in(cluster: &'a Cluster, zone: &str) -> Result<Self> {
        Self::start_on(cluster, &json!({"topology.kubernetes.io/zone": zone})).await
    }

    async fn start_on(cluster: &'a Cluster, nodes: &Value) -> Result<Self> {
        let writer = Self::create(cluster, nodes)?;
        writer.until_acknowledged().await?;
        Ok(writer)
    }

    fn create(cluster: &'a Cluster, nodes: &Value) -> Result<Self> {
        let number = STARTED.fetch_add(1, Ordering::Relaxed);
        let (prefix, stop_key) = (format!("writer-{number}/"), format!("writer-{number}-stop"));
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": "writer", "labels": {"role": "client"}},
            "spec": {
                "restartPolicy": "Never", "automountServiceAccountToken": false, "nodeSelector": nodes,
                "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
                "containers": [{
                    "name": "writer", "image": format!("{IMAGE}:{TAG}"), "imagePullPolicy": "IfNotPresent",
                    "command": ["klusterctl", "soak", "--json", "--http", "http://data-client:8080",
                        "--prefix", prefix, "--rate", "150", "--stop-key", stop_key, "--seconds-max", "1800"],
                    "securityContext": {"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
                        "capabilities": {"drop": ["ALL"]}},
                }],
            },
        });
        cluster.kubectl_tell(&["apply", "-f", "-"], &pod.to_string())?;
        Ok(Self { cluster, stop_key })
    }

    /// Waits until its first write was acknowledged.
    ///
    /// # Errors
    /// After a minute.
    pub async fn until_acknowledged(&self) -> Result<()> {
        wait::until(
            "the writer's first write",
            Duration::from_secs(60),
            async || {
                Ok(self
                    .log()
                    .is_ok_and(|log| log.contains("first write acknowledged")))
            },
        )
        .await
    }

    /// Ends the writer, and fails unless every acknowledged write is on every one of `nodes` nodes and their digests agree.
    ///
    /// # Errors
    /// With the writer's report, when it shows a broken promise.
    pub async fn finish(self, nodes: usize) -> Result<Report> {
        let report = self.finish_interrupted(nodes).await?;
        let rate = report.acknowledged as f64 / report.seconds;
        ensure!(
            rate >= RATE_MIN,
            "only {rate:.0} writes a second: {report:?}"
        );
        Ok(report)
    }

    /// [`Writer::finish`] where writes were refused for a while, so that there may be few of them.
    ///
    /// # Errors
    /// As there.
    pub async fn finish_interrupted(self, nodes: usize) -> Result<Report> {
        let stop = [
            "exec",
            "writer",
            "--",
            "klusterctl",
            "put",
            "--http",
            "http://data-client:8080",
            &self.stop_key,
            "now",
        ];
        // It goes through the Service, to a node that may be dying still.
        wait::until("the order to stop", Duration::from_secs(60), async || {
            Ok(self.cluster.kubectl(&stop).is_ok())
        })
        .await?;
        wait::until(
            "the writer's check of every node",
            Duration::from_secs(300),
            async || {
                let phase = self.cluster.kubectl(&[
                    "get",
                    "pod",
                    "writer",
                    "-o",
                    "jsonpath={.status.phase}",
                ])?;
                Ok(phase == "Succeeded" || phase == "Failed")
            },
        )
        .await
        .context("the writer did not end")?;
        let log = self.log()?;
        let line = log
            .lines()
            .rev()
            .find(|line| line.starts_with('{'))
            .with_context(|| format!("the writer printed no report: {log}"))?;
        let report: Report =
            serde_json::from_str(line).with_context(|| format!("not a report: {line}"))?;
        crate::tell(format_args!("{}: {report:?}", self.cluster.namespace()));
        ensure!(
            report.nodes.len() == nodes,
            "{nodes} nodes were to be checked: {report:?}"
        );
        ensure!(
            report.nodes.iter().all(|node| node.missing == 0),
            "acknowledged writes are missing: {report:?}"
        );
        ensure!(report.digests_agree, "the nodes differ: {report:?}");
        self.cluster
            .kubectl(&["delete", "pod", "writer", "--wait=true"])?;
        Ok(report)
    }

    fn log(&self) -> Result<String> {
        self.cluster.kubectl(&["logs", "writer"])
    }
}
