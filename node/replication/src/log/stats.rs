//! What the log tells about its disk.

use std::time::Duration;

use super::errors::LogFailed;
use super::queue::{Figures, Shared};

/// So many of the latest syncs are looked at.
const SAMPLES_MAX: usize = 1024;

/// The log and its disk, as of now.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct LogStats {
    /// Half of the latest 1,024 syncs took no longer, in microseconds.
    pub sync_p50_us: u64,
    /// 99 of 100 took no longer.
    pub sync_p99_us: u64,
    /// Syncs since the start, one a batch.
    pub syncs: u64,
    /// Entries made durable since the start.
    pub entries_written: u64,
    /// Bytes written since the start.
    pub bytes_written: u64,
    /// What the segments take on disk.
    pub bytes: u64,
    /// Segments on disk.
    pub segments: u64,
    /// Times since the start that the end of the log was given up for another leader's.
    pub truncations: u64,
    /// True where a crash had torn the last batch, and the start cut it off.
    pub torn_tail_cut: bool,
    /// Why the log takes nothing more, once it does not.
    pub poisoned: Option<String>,
}

impl Shared {
    pub(super) fn stats(&self) -> LogStats {
        let state = self.state();
        let Figures {
            syncs: latest,
            entries_written,
            bytes_written,
            bytes_on_disk,
            truncations,
            torn_tail_cut,
        } = &state.figures;
        let poisoned = match &state.failed {
            None | Some(LogFailed::Closed) => None,
            Some(failed) => Some(failed.to_string()),
        };
        let [sync_p50_us, sync_p99_us] = latest.percentiles_us([50, 99]);
        LogStats {
            sync_p50_us,
            sync_p99_us,
            syncs: latest.count(),
            entries_written: *entries_written,
            bytes_written: *bytes_written,
            bytes: *bytes_on_disk,
            segments: state.segments.len() as u64,
            truncations: *truncations,
            torn_tail_cut: *torn_tail_cut,
            poisoned,
        }
    }
}

/// The latest durations, exact and bounded.
#[derive(Debug, Default)]
pub(super) struct Latest {
    samples: Vec<u64>,
    count: u64,
}

impl Latest {
    pub(super) fn add(&mut self, took: Duration) {
        let took = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        let slot = usize::try_from(self.count).unwrap_or(0) % SAMPLES_MAX;
        match self.samples.get_mut(slot) {
            Some(sample) => *sample = took,
            None => self.samples.push(took),
        }
        self.count += 1;
    }

    pub(super) fn count(&self) -> u64 {
        self.count
    }

    /// For each of `percents` the smallest sample that so many of 100 do not exceed; 0 without samples.
    pub(super) fn percentiles_us<const N: usize>(&self, percents: [usize; N]) -> [u64; N] {
        let mut samples = self.samples.clone();
        percents.map(|percent| {
            let rank = (samples.len() * percent).div_ceil(100).saturating_sub(1);
            match rank < samples.len() {
                true => *samples.select_nth_unstable(rank).1,
                false => 0,
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latest_samples() {
        let mut latest = Latest::default();
        assert_eq!(latest.percentiles_us([50, 99]), [0, 0]);
        for _ in 0..SAMPLES_MAX {
            latest.add(Duration::from_secs(1));
        }
        for us in 0..SAMPLES_MAX as u64 {
            latest.add(Duration::from_micros(us));
        }
        assert_eq!(latest.percentiles_us([50, 99, 100]), [511, 1013, 1023]);
        assert_eq!(latest.count(), 2048);
    }
}
