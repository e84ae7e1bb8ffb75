//! The simulator's machines: virtual time, chance from the seed, disks that lose what was not synced, a network that can
//! be cut. Everything of one world runs on one thread.

mod clock;
mod disk;
mod machine;
mod network;
mod pipe;
mod random;
mod storage;
mod workers;

pub use clock::{Clock, Wall};
pub use disk::{Disk, FAILED_ON_PURPOSE};
pub use machine::host;
pub use network::Network;
pub use random::Chance;
pub use storage::State;
