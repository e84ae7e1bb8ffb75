//! The writing: one write after the other at an even pace, each remembered with what became of it.

use std::time::{Duration, Instant};

use anyhow::Result;
use node_api::{Consistency, Data, DataError, WriteOptions};

use crate::arguments::Soak;
use crate::output;

/// Time for one write before its outcome counts as unknown.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// How often the stop key is looked for.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// The most writes that are kept up with after a gap.
const BEHIND_MAX: Duration = Duration::from_millis(500);

/// What became of the writes.
pub struct Written {
    /// Numbers of the acknowledged writes, rising.
    pub acknowledged: Vec<u64>,
    /// Position of the last acknowledged write.
    pub position: String,
    /// Writes that may have been applied.
    pub unknown: u64,
    /// Writes that surely were not.
    pub refused: u64,
    /// How long it wrote.
    pub seconds: f64,
    /// Times between two acknowledged writes, in the order in which they passed.
    gaps_ms: Vec<u64>,
}

impl Written {
    /// The longest time between two acknowledged writes.
    pub fn gap_ms_max(&self) -> u64 {
        self.gaps_ms.iter().copied().max().unwrap_or_default()
    }

    /// The time that 99 % of all such times do not exceed.
    pub fn gap_ms_p99(&self) -> u64 {
        let mut sorted = self.gaps_ms.clone();
        sorted.sort_unstable();
        let index = (sorted.len() * 99).div_ceil(100).saturating_sub(1);
        sorted.get(index).copied().unwrap_or_default()
    }
}

/// The key of a write.
pub fn key(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:010}")
}

/// The value of a write: told by its number alone, so that the check needs no memory of it.
pub fn value(number: u64) -> String {
    format!(
        "{number:x}-{:016x}",
        number.wrapping_mul(0x9e37_79b9_7f4a_7c15)
    )
}

/// Writes at the asked pace until the stop key exists or the time is over.
///
/// # Errors
/// When the address makes no sense.
pub async fn write(soak: &Soak) -> Result<Written> {
    let mut data = Data::new(&soak.url)?.with_timeout(ANSWER_WITHIN);
    let mut written = Written {
        acknowledged: Vec::new(),
        position: String::new(),
        unknown: 0,
        refused: 0,
        seconds: 0.0,
        gaps_ms: Vec::new(),
    };
    let start = Instant::now();
    let pause = Duration::from_secs(1) / soak.rate;
    let (mut due, mut looked, mut last) = (start, start, start);
    for number in 0.. {
        if looked.elapsed() > LOOK_EVERY {
            looked = Instant::now();
            if start.elapsed().as_secs() >= soak.seconds_max.into()
                || told_to_stop(&mut data, soak).await
            {
                break;
            }
        }
        tokio::time::sleep_until(due.into()).await;
        due = (due + pause).max(Instant::now().checked_sub(BEHIND_MAX).unwrap_or(start));
        match data
            .put(
                key(&soak.prefix, number).as_bytes(),
                value(number).into(),
                &WriteOptions::default(),
            )
            .await
        {
            Ok(put) => {
                if written.acknowledged.is_empty() {
                    output::aside("first write acknowledged");
                } else {
                    written.gaps_ms.push(last.elapsed().as_millis() as u64);
                }
                last = Instant::now();
                written.acknowledged.push(number);
                written.position = put.position;
            }
            Err(DataError::Unknown { .. }) => written.unknown += 1,
            Err(DataError::Unavailable { .. }) => {
                written.refused += 1;
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    written.seconds = start.elapsed().as_secs_f64();
    Ok(written)
}

/// A cluster that does not answer has not told us to stop.
async fn told_to_stop(data: &mut Data, soak: &Soak) -> bool {
    let found = data
        .get(soak.stop_key.as_bytes(), &Consistency::Linearizable)
        .await;
    matches!(found, Ok(Some(_)))
}
