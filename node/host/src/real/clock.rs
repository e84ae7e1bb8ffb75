//! Time from the kernel.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use crate::{Clock as Contract, WallMillis};

/// The machine's clocks.
#[derive(Debug)]
pub struct Clock {
    started: Instant,
}

impl Clock {
    /// A clock whose monotonic time begins now.
    pub fn start() -> Clock {
        Clock {
            started: Instant::now(),
        }
    }
}

impl Contract for Clock {
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }

    fn wall(&self) -> WallMillis {
        // A clock before 1970 is a machine without a clock; it reads as the epoch.
        let since = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default();
        WallMillis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
    }
}
