//! The five contracts, bundled for one simulated node.

use std::sync::Arc;

use node_host::Host;

use super::{Chance, Clock, Disk, Network, workers};

/// The machine of one node. The disk outlives a crash; the rest is new with each start.
pub fn host(name: &str, disk: &Disk, network: &Network, chance: &Chance, clock: Clock) -> Host {
    Host {
        clock: Arc::new(clock),
        files: Arc::new(disk.clone()),
        network: Arc::new(network.seen_from(name)),
        random: Arc::new(chance.clone()),
        workers: Arc::new(workers::Tasks),
        flaw: None,
    }
}
