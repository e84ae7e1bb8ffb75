//! How long the disk takes to make a write durable: the floor under every acknowledged write.

use std::io::Write;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use hdrhistogram::Histogram;

use super::report::{LATENCY_US_MAX, Latency};

/// Bytes of each append.
const APPEND_BYTES: usize = 4096;
/// How long it is measured.
const MEASURED: Duration = Duration::from_millis(500);

/// fdatasync after 4 KiB appends to a file in `folder`, one after the other for half a second.
///
/// # Errors
/// When no file can be written there.
pub fn fdatasync_latency(folder: &Path) -> Result<Latency> {
    let mut file = tempfile::tempfile_in(folder)
        .with_context(|| format!("failed to create a file in {}", folder.display()))?;
    let block = [0x4b; APPEND_BYTES];
    let mut histogram = Histogram::<u64>::new_with_bounds(1, LATENCY_US_MAX, 3)?;
    let start = Instant::now();
    while start.elapsed() < MEASURED {
        file.write_all(&block)
            .context("failed to append to the probe file")?;
        let before = Instant::now();
        file.sync_data().context("failed to sync the probe file")?;
        histogram.saturating_record(before.elapsed().as_micros() as u64);
    }
    Ok(Latency::of(&histogram))
}
