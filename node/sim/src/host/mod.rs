//! The simulator's machines: virtual time, chance from the seed, disks that lose what was not synced, a network that can
//! be cut. Everything of one world runs on one thread.

mod clock;
mod disk;
mod network;
mod pipe;
mod random;
mod workers;

pub use clock::Clock;
pub use disk::Disk;
pub use network::Network;
pub use random::Chance;

use std::sync::Arc;

use node_host::Host;

/// The machine of one node. The disk outlives a crash; the rest is new with each start.
pub fn host(name: &str, disk: &Disk, network: &Network, chance: &Chance, clock: Clock) -> Host {
    Host {
        clock: Arc::new(clock),
        files: Arc::new(disk.clone()),
        network: Arc::new(network.seen_from(name)),
        random: Arc::new(chance.clone()),
        workers: Arc::new(workers::Tasks),
    }
}
