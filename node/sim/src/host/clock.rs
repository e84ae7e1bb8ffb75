//! Virtual time: that of the node's own paused runtime, counted from the world's beginning.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use node_host::WallMillis;

/// The time of day at which every world begins.
const WORLD_BEGINS_MILLIS: i64 = 1_700_000_000_000;

/// A machine's clock of the time of day: how far it is wrong, in milliseconds. Clones are the same clock.
#[derive(Clone, Debug, Default)]
pub struct Wall(Arc<AtomicI64>);

impl Wall {
    /// Sets the clock forward, or back.
    pub fn jump(&self, millis: i64) {
        self.0.fetch_add(millis, Ordering::Relaxed);
    }
}

/// A clock of one node. Read it only on that node's runtime.
#[derive(Clone, Debug)]
pub struct Clock {
    started: tokio::time::Instant,
    world_age_at_start: Duration,
    wall: Wall,
}

impl Clock {
    /// A clock of a node that starts now, in a world of this age, on a machine with this time of day.
    pub fn start(world_age: Duration, wall: Wall) -> Self {
        Self {
            started: tokio::time::Instant::now(),
            world_age_at_start: world_age,
            wall,
        }
    }
}

impl node_host::Clock for Clock {
    fn monotonic(&self) -> Duration {
        self.world_age_at_start + self.started.elapsed()
    }

    fn wall(&self) -> WallMillis {
        let right = WORLD_BEGINS_MILLIS + self.monotonic().as_millis() as i64;
        let shown = right + self.wall.0.load(Ordering::Relaxed);
        WallMillis(shown.max(0) as u64)
    }
}
