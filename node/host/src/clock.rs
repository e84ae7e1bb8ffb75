//! The contract of time.

use std::time::Duration;

/// Milliseconds since the Unix epoch, as the machine's clock tells them. May jump, also back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WallMillis(pub u64);

/// Time. Reading it never fails and never blocks.
pub trait Clock: Send + Sync {
    /// Time since some fixed moment of this clock; never goes back. Compare only readings of one clock.
    fn monotonic(&self) -> Duration;
    /// The time of day. Not monotonic, and not in step with other machines.
    fn wall(&self) -> WallMillis;
}
