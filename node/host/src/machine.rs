//! The five contracts, bundled so that they are passed on as one.

use std::fmt;
use std::sync::Arc;

use crate::{Clock, Files, Flaw, Network, Random, Workers, real};

/// Everything a node gets from its machine. A clone is the same host.
#[derive(Clone)]
pub struct Host {
    /// Time that passes, and the time of day.
    pub clock: Arc<dyn Clock>,
    /// Files that survive.
    pub files: Arc<dyn Files>,
    /// Byte streams to other nodes.
    pub network: Arc<dyn Network>,
    /// Chance.
    pub random: Arc<dyn Random>,
    /// Places for work that blocks.
    pub workers: Arc<dyn Workers>,
    /// A mistake that the node makes; only the simulator asks for one.
    pub flaw: Option<Flaw>,
}

impl Host {
    /// The machine this process runs on.
    pub fn real() -> Host {
        Host {
            clock: Arc::new(real::Clock::start()),
            files: Arc::new(real::Files),
            network: Arc::new(real::Network),
            random: Arc::new(real::Random),
            workers: Arc::new(real::Workers),
            flaw: None,
        }
    }
}

impl Host {
    /// Whether the node is to make this mistake.
    pub fn has(&self, flaw: Flaw) -> bool {
        self.flaw == Some(flaw)
    }
}

impl fmt::Debug for Host {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Host").finish_non_exhaustive()
    }
}
