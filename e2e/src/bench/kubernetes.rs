//! Figures of the whole house on a real Kubernetes.

use std::time::Instant;

use anyhow::Result;

use super::{gaps, process};
use crate::environment;
use crate::promise::{Cluster, OPERATOR_NAMESPACE, Place};
use crate::testbed::{ProjectImage, processes_of_pod};
use crate::tools::{Cache, debian};

/// The operator's program as the kernel calls its processes: the first fifteen letters.
const OPERATOR_COMM: &str = "kluster-operato";

/// Seconds from `kubectl apply` to Ready of a Cluster of three, three times; and memory of idle pods, in MiB.
pub struct Figures {
    /// The three times, in seconds.
    pub cluster_ready_s: Vec<f64>,
    /// Pauses of a writer.
    pub gaps: gaps::Figures,
    /// Memory of each operator, in MiB; nothing where their processes are not at hand.
    pub operators_mib: Vec<f64>,
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
        operators_mib: operators_mib(&place)?,
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

/// The operators, those that wait too; none where their processes are not this machine's.
fn operators_mib(place: &Place) -> Result<Vec<f64>> {
    if place.testbed()?.is_none() {
        return Ok(Vec::new());
    }
    let uids = ["get", "pods", "-o", "jsonpath={.items[*].metadata.uid}"];
    let uids = [&["--namespace", OPERATOR_NAMESPACE][..], &uids].concat();
    let uids = place.commands.ask("kubectl", &uids)?;
    let mut found = Vec::new();
    for uid in uids.split_whitespace() {
        for found_one in processes_of_pod(uid, OPERATOR_COMM)? {
            found.push(process::memory_mib(found_one.id.unsigned_abs())?);
        }
    }
    Ok(found)
}
