//! Figures of the whole house on a real Kubernetes.

use std::time::Instant;

use anyhow::{Context, Result};

use super::gaps;
use crate::environment;
use crate::promise::{Cluster, OPERATOR_NAMESPACE, Place};
use crate::testbed::ProjectImage;
use crate::tools::{Cache, debian};

/// Seconds from `kubectl apply` to Ready of a Cluster of three, three times; and memory of idle pods, in MiB.
pub struct Figures {
    /// The three times, in seconds.
    pub cluster_ready_s: Vec<f64>,
    /// Pauses of a writer.
    pub gaps: gaps::Figures,
    /// Memory of the operator that leads, in MiB.
    pub operator_mib: f64,
    /// Size of the one image of all programs, not compressed, in MB.
    pub image_mb: f64,
    /// What was left running where, and how to stop it.
    pub left_running: &'static str,
}

/// Takes them.
///
/// # Errors
/// When the Kubernetes does not come up or a Cluster does not become Ready.
pub async fn measure() -> Result<Figures> {
    let place = Place::ready()?;
    let mut cluster_ready_s = Vec::new();
    for round in 0..3 {
        let cluster = Cluster::in_namespace(&place, &format!("bench-{round}"))?;
        let start = Instant::now();
        cluster.apply(3)?;
        cluster.until_ready(3).await?;
        cluster_ready_s.push(start.elapsed().as_secs_f64());
        cluster.clear()?;
    }
    Ok(Figures {
        cluster_ready_s,
        gaps: gaps::measure(&place).await?,
        operator_mib: operator_mib(&place)?,
        image_mb: image_mb()?,
        left_running: match environment::kubeconfig() {
            None => {
                "The test-bed goes on running. To stop it and leave nothing behind: make cluster-down"
            }
            Some(_) => {
                "The operator stays in the cluster of KUBECONFIG. \
                 To take it away: helm uninstall kluster --namespace kluster-system"
            }
        },
    })
}

/// The image is built for this, since that of the cluster of `KUBECONFIG` came there in another way.
fn image_mb() -> Result<f64> {
    debian::ensure_packages()?;
    let image = ProjectImage {
        programs: environment::programs()?,
        base: None,
    };
    let built = image.build(&Cache::from_environment()?)?;
    Ok(built.bytes as f64 / 1e6)
}

/// The largest of the operator's pods, from its own metrics.
fn operator_mib(place: &Place) -> Result<f64> {
    let pods = place.commands.ask(
        "kubectl",
        &[
            "--namespace",
            OPERATOR_NAMESPACE,
            "get",
            "pods",
            "-o",
            "jsonpath={.items[*].metadata.name}",
        ],
    )?;
    let mut largest: f64 = 0.0;
    for pod in pods.split_whitespace() {
        let path = format!("/api/v1/namespaces/{OPERATOR_NAMESPACE}/pods/{pod}:2112/proxy/metrics");
        let metrics = place.commands.ask("kubectl", &["get", "--raw", &path])?;
        let line = metrics
            .lines()
            .find_map(|l| l.strip_prefix("process_resident_memory_bytes "));
        let bytes: f64 = line
            .context("the operator has no process_resident_memory_bytes")?
            .trim()
            .parse()?;
        largest = largest.max(bytes / f64::from(1 << 20));
    }
    Ok(largest)
}
