//! What was asked of the node, counted.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::errors::Failure;

/// The status codes that the data interface answers with.
pub const STATUS_CODES: [u16; 15] = [
    200, 201, 400, 404, 405, 408, 409, 413, 414, 422, 431, 500, 501, 503, 504,
];

/// The kinds of failure, as metrics name them.
pub const FAILURE_KINDS: [&str; 6] = [
    "rejected",
    "unavailable",
    "busy",
    "disk_full",
    "unknown",
    "fatal",
];

/// Counters of requests. Cheap: one addition each.
#[derive(Debug, Default)]
pub struct Traffic {
    by_status: [AtomicU64; STATUS_CODES.len()],
    by_failure: [AtomicU64; FAILURE_KINDS.len()],
}

impl Traffic {
    /// An answer of the data interface.
    pub fn count_status(&self, status: u16) {
        let place = STATUS_CODES.iter().position(|code| *code == status);
        if let Some(counter) = place.and_then(|place| self.by_status.get(place)) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// A request that was not answered as asked.
    pub fn count_failure(&self, failure: &Failure) {
        let place = match failure {
            Failure::Rejected(_)
            | Failure::InvalidToken
            | Failure::PositionOfThePast { .. }
            | Failure::PositionOfAnotherLog => 0,
            Failure::Unavailable { .. } | Failure::Fenced => 1,
            Failure::Busy => 2,
            Failure::DiskFull { .. } => 3,
            Failure::Unknown { .. } => 4,
            Failure::Fatal { .. } => 5,
        };
        if let Some(counter) = self.by_failure.get(place) {
            counter.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// Answers so far, by status code.
    pub fn statuses(&self) -> impl Iterator<Item = (u16, u64)> {
        let counts = self
            .by_status
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        STATUS_CODES.into_iter().zip(counts)
    }

    /// Failures so far, by kind.
    pub fn failures(&self) -> impl Iterator<Item = (&'static str, u64)> {
        let counts = self
            .by_failure
            .iter()
            .map(|counter| counter.load(Ordering::Relaxed));
        FAILURE_KINDS.into_iter().zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_answer_is_counted_under_its_code() {
        let traffic = Traffic::default();
        for code in STATUS_CODES {
            traffic.count_status(code);
        }
        traffic.count_status(504);
        assert!(
            traffic
                .statuses()
                .all(|(code, count)| count == if code == 504 { 2 } else { 1 })
        );
        traffic.count_failure(&Failure::Busy);
        assert_eq!(
            traffic.failures().find(|(_, count)| *count > 0),
            Some(("busy", 1))
        );
    }
}
