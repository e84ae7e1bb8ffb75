//! How long a writer waits when the leader of three processes is lost, again and again.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use node_api::{Data, WriteOptions};

use super::local::{Loss, Trio};
use crate::wait;

/// Nobody waits longer for a write, or for a node to come back.
const WITHIN: Duration = Duration::from_secs(60);
/// Time for one attempt, and between one that failed and the next.
const ATTEMPT: Duration = Duration::from_secs(5);
const AGAIN_AFTER: Duration = Duration::from_millis(5);

/// The time from the last write before the loss to the first one after it, through a node that is not lost; of each time,
/// in milliseconds, sorted.
///
/// # Errors
/// When the cluster does not come back.
pub async fn gaps_ms(trio: &mut Trio, loss: Loss, times: usize) -> Result<Vec<f64>> {
    let mut gaps = Vec::new();
    for round in 0..times {
        wait::until("all nodes follow one leader", WITHIN, async || {
            trio.is_whole()
        })
        .await?;
        let leader = trio.leader().context("no node leads")?;
        let mut data = Data::new(&trio.url((leader + 1) % 3))?.with_timeout(ATTEMPT);
        let before = write_on(&mut data).await?;
        trio.lose(leader, loss)?;
        let after = write_on(&mut data).await?;
        gaps.push(after.duration_since(before).as_secs_f64() * 1000.0);
        trio.bring_back(leader, loss)?;
        if (round + 1) % 10 == 0 {
            eprintln!("{} of {times} leaders lost ({loss:?})", round + 1);
        }
    }
    gaps.sort_by(f64::total_cmp);
    Ok(gaps)
}

/// Writes until a write is acknowledged; when that was.
async fn write_on(data: &mut Data) -> Result<Instant> {
    let began = Instant::now();
    loop {
        let value = "v".into();
        match data.put(b"failover", value, &WriteOptions::default()).await {
            Ok(_) => return Ok(Instant::now()),
            Err(error) if began.elapsed() > WITHIN => return Err(error.into()),
            Err(_) => tokio::time::sleep(AGAIN_AFTER).await,
        }
    }
}
