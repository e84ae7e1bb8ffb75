//! How long a node takes to be back with a large log behind it, and a member that fell behind to be filled by a snapshot.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::local::{Loss, Trio};
use crate::wait;

/// Nobody waits longer.
const WITHIN: Duration = Duration::from_secs(300);
/// The log that a node recovers, in MiB.
const LOG_MIB: f64 = 1024.0;
/// Seconds of writes at a time, and for a snapshot.
const FILL_SECONDS: u32 = 10;
const SNAPSHOT_SECONDS: u32 = 30;

/// What was seen once.
pub struct Figures {
    /// The log that was recovered, in MiB.
    pub log_mib: f64,
    /// From the start of the process to a node that has all and is ready.
    pub recovery_s: f64,
    /// The snapshot file, in MiB.
    pub snapshot_mib: f64,
    /// From the start of the member that fell behind until it has all.
    pub snapshot_s: f64,
}

/// Takes them.
///
/// # Errors
/// When a node does not come back.
pub async fn measure() -> Result<Figures> {
    let (log_mib, recovery_s) = large_log().await?;
    let (snapshot_mib, snapshot_s) = behind().await?;
    Ok(Figures {
        log_mib,
        recovery_s,
        snapshot_mib,
        snapshot_s,
    })
}

/// No snapshot is built: a follower that was killed has all of its log to read.
async fn large_log() -> Result<(f64, f64)> {
    let mut trio = Trio::start_with("snapshot_every_entries = 100000000\n")?;
    let follower = (trio.leader().context("no node leads")? + 1) % 3;
    while trio.mib_of(follower, "log")? < LOG_MIB {
        trio.fill(FILL_SECONDS)?;
        eprintln!("a log of {:.0} MiB", trio.mib_of(follower, "log")?);
    }
    let log_mib = trio.mib_of(follower, "log")?;
    trio.lose(follower, Loss::Killed)?;
    Ok((log_mib, back(&mut trio, follower).await?))
}

/// What a follower missed is in a snapshot only.
async fn behind() -> Result<(f64, f64)> {
    let mut trio = Trio::start_with("snapshot_every_entries = 20000\nkeep_entries = 100\n")?;
    let leader = trio.leader().context("no node leads")?;
    let follower = (leader + 1) % 3;
    trio.lose(follower, Loss::Killed)?;
    trio.fill(SNAPSHOT_SECONDS)?;
    let snapshot_mib = trio.mib_of(leader, "snapshots")?;
    Ok((snapshot_mib, back(&mut trio, follower).await?))
}

/// Seconds until a node that was killed is ready, and the leader has it with it.
async fn back(trio: &mut Trio, node: usize) -> Result<f64> {
    let began = Instant::now();
    trio.bring_back(node, Loss::Killed)?;
    wait::until("the node is back", WITHIN, async || trio.is_whole()).await?;
    Ok(began.elapsed().as_secs_f64())
}
