//! How long to wait after failures in a row.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::time::Duration;

/// Doubles with each failure up to a limit, a little longer on some nodes than on others, so that they do not all
/// come back to an API server at the same moment.
#[derive(Clone, Copy, Debug)]
pub struct Backoff {
    first: Duration,
    longest: Duration,
    /// 0 to 255: how much longer this node waits, in parts of 512.
    spread: u32,
    failures: u32,
}

impl Backoff {
    /// Begins with `first`, ends with `longest`; `name` decides how much longer this node waits.
    pub fn new(first: Duration, longest: Duration, name: &str) -> Self {
        let mut hasher = DefaultHasher::new();
        name.hash(&mut hasher);
        Self {
            first,
            longest,
            spread: u32::try_from(hasher.finish() % 256).unwrap_or(0),
            failures: 0,
        }
    }

    /// One more failure: how long to wait for it.
    pub fn fail(&mut self) -> Duration {
        let wait = self.delay(self.failures);
        self.failures = self.failures.saturating_add(1);
        wait
    }

    /// It worked again.
    pub fn reset(&mut self) {
        self.failures = 0;
    }

    /// The wait after `failures` earlier ones in a row.
    pub fn delay(&self, failures: u32) -> Duration {
        let doubled = self.first.saturating_mul(1 << failures.min(16));
        let base = doubled.min(self.longest);
        base + base * self.spread / 512
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_longest_and_begin_anew_after_a_success() {
        let (first, longest) = (Duration::from_millis(500), Duration::from_secs(8));
        let mut backoff = Backoff::new(first, longest, "demo-a-0");
        let waits: Vec<Duration> = (0..40).map(|_| backoff.fail()).collect();
        let within = |wait: Duration, base: Duration| wait >= base && wait < base * 3 / 2;
        for (step, wait) in waits.iter().enumerate() {
            let base = (first * (1 << step.min(10))).min(longest);
            assert!(within(*wait, base), "{step}: {wait:?}");
        }
        backoff.reset();
        assert_eq!(backoff.fail(), waits[0]);
    }
}
