//! Virtual time: that of the node's own paused runtime, counted from the world's beginning.

use std::time::Duration;

use node_host::WallMillis;

/// The time of day at which every world begins.
const WORLD_BEGINS: WallMillis = WallMillis(1_700_000_000_000);

/// A clock of one node. Read it only on that node's runtime.
#[derive(Clone, Copy, Debug)]
pub struct Clock {
    started: tokio::time::Instant,
    world_age_at_start: Duration,
}

impl Clock {
    /// A clock of a node that starts now, in a world of this age.
    pub fn start(world_age: Duration) -> Self {
        Self {
            started: tokio::time::Instant::now(),
            world_age_at_start: world_age,
        }
    }
}

impl node_host::Clock for Clock {
    fn monotonic(&self) -> Duration {
        self.world_age_at_start + self.started.elapsed()
    }

    fn wall(&self) -> WallMillis {
        WallMillis(WORLD_BEGINS.0 + self.monotonic().as_millis() as u64)
    }
}
