//! The measuring: two minutes at rest, then changes while the nodes go on reporting.

use std::cell::Cell;
use std::convert::Infallible;
use std::time::{Duration, Instant};

use anyhow::Result;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::time::{MissedTickBehavior, interval, sleep};

use super::operator::{Operator, quantile, sum};
use super::play::{Fleet, NODES, name};
use crate::control_plane::{ControlPlane, Options};
use crate::wait;

/// Clusters in all.
const CLUSTERS: u32 = 1_000;
/// How often the agent of an idle Cluster's node reports: its canaries move the position.
const IDLE_REPORT: Duration = Duration::from_secs(300);
/// How often an agent reports at most while nothing but details changes.
const BUSY_REPORT: Duration = Duration::from_secs(10);
/// How long the fleet is watched at rest.
const AT_REST: Duration = Duration::from_secs(60);
/// Changes of single Clusters whose pick-up is timed.
const CHANGES: u32 = 100;
const WITHIN: Duration = Duration::from_secs(600);

/// What an operator of many Clusters costs.
pub struct Figures {
    /// Writes of the operator in two minutes in which only positions moved.
    pub idle_writes: f64,
    /// CPU seconds of the operator in a minute, with reports as idle Clusters make them.
    pub cpu_idle_s: f64,
    /// CPU seconds of the operator in a minute, with as many reports as there can be.
    pub cpu_busy_s: f64,
    /// Its memory after it, in MiB.
    pub memory_mib: f64,
    /// 99 % of the passes over a Cluster took at most this long (upper bound of a histogram's bucket), in ms.
    pub reconcile_p99_ms: f64,
    /// The same while all Clusters are formed at once, by as many writes as the API server takes.
    pub reconcile_storm_p99_ms: f64,
    /// 99 % of the changes of a Cluster were answered in its status within this time, in ms, with as many reports as there
    /// can be.
    pub pick_up_p99_ms: f64,
}

/// Takes them.
///
/// # Errors
/// When the control plane or the operator does not do what is asked.
pub async fn measure() -> Result<Figures> {
    let control_plane = ControlPlane::start(Options::default()).await?;
    eprintln!("creating {CLUSTERS} Clusters");
    let fleet = Fleet::create(control_plane.client().await?, CLUSTERS).await?;
    let operator = Operator::start(control_plane.kubeconfig(), control_plane.folder())?;
    let began = operator.metrics_when_up().await?;
    wait::until("every Cluster has its objects", WITHIN, async || {
        fleet.is_laid_out().await
    })
    .await?;
    eprintln!("playing {} nodes", CLUSTERS * NODES);
    fleet.form().await?;
    wait::until("every Cluster is Ready", WITHIN, async || {
        Ok(fleet.ready().await? == CLUSTERS as usize)
    })
    .await?;
    calm(&operator).await?;
    let calmed = operator.metrics().await?;
    let (wrote, cpu_idle_s) = rest(&fleet, &operator, IDLE_REPORT).await?;
    let (wrote_too, cpu_busy_s) = rest(&fleet, &operator, BUSY_REPORT).await?;
    let memory_mib = operator.memory_mib()?;
    let sent = Cell::new(0);
    let pick_up_p99_ms = tokio::select! {
        never = reports(&fleet, BUSY_REPORT, &sent) => match never? {},
        taken = pick_up(&fleet) => taken?,
    };
    let duration = "kluster_operator_reconcile_duration_seconds";
    let ended = operator.metrics().await?;
    let p99_ms = |from: &str, to: &str| {
        let seconds = quantile(from, to, duration, 0.99);
        seconds.unwrap_or(f64::NAN) * 1e3
    };
    Ok(Figures {
        idle_writes: wrote + wrote_too,
        cpu_idle_s,
        cpu_busy_s,
        memory_mib,
        reconcile_p99_ms: p99_ms(&calmed, &ended),
        reconcile_storm_p99_ms: p99_ms(&began, &calmed),
        pick_up_p99_ms,
    })
}

impl Operator {
    async fn metrics_when_up(&self) -> Result<String> {
        wait::until("the operator serves its metrics", WITHIN, async || {
            Ok(self.metrics().await.is_ok())
        })
        .await?;
        self.metrics().await
    }
}

const WRITES: &str = "kluster_operator_writes_total";

/// Waits until the operator has nothing to say for some seconds.
async fn calm(operator: &Operator) -> Result<()> {
    let (mut last, mut since) = (f64::NAN, Instant::now());
    wait::until("the operator is calm", WITHIN, async || {
        let now = sum(&operator.metrics().await?, WRITES);
        if now != last {
            (last, since) = (now, Instant::now());
        }
        Ok(since.elapsed() > Duration::from_secs(5))
    })
    .await
}

/// A minute in which each node's position moves this often and nothing else happens: writes and CPU seconds of the operator.
async fn rest(fleet: &Fleet, operator: &Operator, every: Duration) -> Result<(f64, f64)> {
    let writes = sum(&operator.metrics().await?, WRITES);
    let cpu = operator.cpu_s()?;
    let start = Instant::now();
    let sent = Cell::new(0);
    tokio::select! {
        never = reports(fleet, every, &sent) => match never? {},
        () = sleep(AT_REST) => {}
    }
    let minutes = start.elapsed().as_secs_f64() / 60.0;
    eprintln!("{} reports in {:.0} s", sent.get(), minutes * 60.0);
    let wrote = sum(&operator.metrics().await?, WRITES) - writes;
    Ok((wrote, (operator.cpu_s()? - cpu) / minutes))
}

/// Each node's position moves this often, until dropped; `sent` counts the reports.
async fn reports(fleet: &Fleet, every: Duration, sent: &Cell<u64>) -> Result<Infallible> {
    let all = CLUSTERS * NODES;
    let mut ticks = interval(every / all);
    // A late report is sent at once: the number of them is what counts.
    ticks.set_missed_tick_behavior(MissedTickBehavior::Burst);
    loop {
        ticks.tick().await;
        let number = u32::try_from(sent.get() % u64::from(all)).unwrap_or_default();
        fleet.move_position(number, sent.get() + 2).await?;
        sent.set(sent.get() + 1);
    }
}

/// Changes one Cluster after the other and waits each time until its status answers.
async fn pick_up(fleet: &Fleet) -> Result<f64> {
    let mut times = Vec::new();
    for change in 0..CHANGES {
        let name = name(change * (CLUSTERS / CHANGES));
        let patch = Patch::Merge(json!({ "spec": { "operations": { "paused": true } } }));
        let start = Instant::now();
        let changed = fleet
            .clusters
            .patch(&name, &PatchParams::default(), &patch)
            .await?;
        let wanted = changed.metadata.generation;
        loop {
            let status = fleet.clusters.get_status(&name).await?.status;
            if status.and_then(|status| status.observed_generation) == wanted {
                break;
            }
            sleep(Duration::from_millis(2)).await;
            anyhow::ensure!(start.elapsed() < WITHIN, "{name} never answers a change");
        }
        times.push(start.elapsed().as_secs_f64() * 1e3);
    }
    times.sort_by(f64::total_cmp);
    let index = (times.len() * 99).div_ceil(100).saturating_sub(1);
    Ok(times.get(index).copied().unwrap_or(f64::NAN))
}
