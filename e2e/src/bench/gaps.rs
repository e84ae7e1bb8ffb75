//! How long a writer waits while nodes are replaced, and while a leader is dead.

use std::time::Duration;

use anyhow::Result;
use serde_json::json;

use crate::promise::{Cluster, Place, Writer};
use crate::wait;

/// How often each is measured.
const ROUNDS: usize = 3;

/// What the writer saw, in milliseconds, round by round.
#[derive(Default)]
pub struct Figures {
    /// 99 % of the pauses between two acknowledged writes during a roll were no longer.
    pub roll_p99_ms: Vec<f64>,
    /// The longest pause during a roll.
    pub roll_max_ms: Vec<f64>,
    /// The longest pause around the death of the leader by SIGKILL; nothing where the nodes' processes are not at hand.
    pub failover_max_ms: Vec<f64>,
}

/// Takes them on one Cluster of three.
///
/// # Errors
/// When the Cluster does not do what is asked, or loses a write.
pub async fn measure(place: &Place) -> Result<Figures> {
    let cluster = Cluster::in_namespace(place, "bench-gaps")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let mut figures = Figures::default();
    for round in 0..ROUNDS {
        let writer = Writer::start(&cluster).await?;
        let at = format!("2026-01-01T00:00:0{round}Z");
        cluster.change(&json!({ "updates": { "restartedAt": at } }))?;
        until_rolled(&cluster, &at).await?;
        let report = writer.finish(3).await?;
        figures.roll_p99_ms.push(report.gap_ms_p99 as f64);
        figures.roll_max_ms.push(report.gap_ms_max as f64);
    }
    if place.testbed()?.is_some() {
        for _ in 0..ROUNDS {
            let writer = Writer::start(&cluster).await?;
            cluster.crash_leader().await?;
            cluster.until_ready(3).await?;
            figures
                .failover_max_ms
                .push(writer.finish(3).await?.gap_ms_max as f64);
        }
    }
    cluster.clear()?;
    Ok(figures)
}

/// Waits until every pod was made anew, and the Cluster is at rest.
async fn until_rolled(cluster: &Cluster, at: &str) -> Result<()> {
    let current = || cluster.of_pods(".metadata.annotations.kluster\\.dev/restarted-at");
    wait::until("every pod is new", Duration::from_secs(300), async || {
        let pods = current()?;
        Ok(pods.len() == 3 && pods.iter().all(|pod| pod == at))
    })
    .await?;
    cluster.until_ready(3).await
}
