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
        LogStats {
            sync_p50_us: latest.percentile_us(50),
            sync_p99_us: latest.percentile_us(99),
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

    /// The smallest sample that `percent` of 100 do not exceed; 0 without samples.
    pub(super) fn percentile_us(&self, percent: usize) -> u64 {
        let mut sorted = self.samples.clone();
        sorted.sort_unstable();
        let rank = (sorted.len() * percent).div_ceil(100).saturating_sub(1);
        sorted.get(rank).copied().unwrap_or(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_are_those_of_the_latest_samples() {
        let mut latest = Latest::default();
        assert_eq!(latest.percentile_us(50), 0);
        for _ in 0..SAMPLES_MAX {
            latest.add(Duration::from_secs(1));
        }
        for us in 0..SAMPLES_MAX as u64 {
            latest.add(Duration::from_micros(us));
        }
        assert_eq!(latest.percentile_us(50), 511);
        assert_eq!(latest.percentile_us(99), 1013);
        assert_eq!(latest.percentile_us(100), 1023);
        assert_eq!(latest.count(), 2048);
    }
}
