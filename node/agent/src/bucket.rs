//! A token bucket: how often a node may report. It reads no clock; the caller says what time it is.

use std::time::Duration;

/// Tokens that a full bucket holds.
pub const BURST: u32 = 5;
/// Time after which one token more is there.
pub const REFILL: Duration = Duration::from_secs(1);

/// One token each [`REFILL`], at most [`BURST`] of them.
///
/// Kept as the moment at which the bucket will be full: each token taken moves it one refill further away.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Bucket {
    full_at: Duration,
}

impl Bucket {
    /// True if a token is there.
    pub fn has_token(self, now: Duration) -> bool {
        self.full_at.saturating_sub(now) <= REFILL * (BURST - 1)
    }

    /// Takes a token. Requires that one is there.
    pub fn take(&mut self, now: Duration) {
        self.full_at = self.full_at.max(now) + REFILL;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_of_five_and_then_one_a_second() {
        let mut bucket = Bucket::default();
        let mut taken = Vec::new();
        for tenth in 0..50u64 {
            let now = Duration::from_secs(100) + Duration::from_millis(100 * tenth);
            if bucket.has_token(now) {
                bucket.take(now);
                taken.push(tenth);
            }
        }
        assert_eq!(taken, [0, 1, 2, 3, 4, 10, 20, 30, 40]);
    }

    #[test]
    fn a_long_rest_saves_no_more_than_a_burst() {
        let mut bucket = Bucket::default();
        bucket.take(Duration::from_secs(1));
        let later = Duration::from_secs(10_000);
        let mut count = 0;
        while bucket.has_token(later) {
            bucket.take(later);
            count += 1;
        }
        assert_eq!(count, BURST);
    }
}
