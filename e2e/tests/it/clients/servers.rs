//! What clients are given: three etcds, or three of our nodes, of which one can be lost.

use std::time::Duration;

use e2e::bench::etcd::Etcds;
use e2e::bench::local::{Loss, Trio};
use e2e::wait;
use tokio::runtime::Runtime;

const WHOLE_WITHIN: Duration = Duration::from_secs(30);

/// Three servers.
pub trait Servers {
    /// Where each is reached.
    fn urls(&self) -> Vec<String>;
    /// The one that leads, if one does.
    fn leader(&self) -> Option<usize>;
    /// Kills one.
    fn lose(&mut self, server: usize);
    /// Starts it again, and waits until it is there.
    fn bring_back(&mut self, server: usize);
}

/// etcd.
pub struct OfEtcd {
    runtime: Runtime,
    etcds: Etcds,
}

impl OfEtcd {
    pub fn start() -> OfEtcd {
        let runtime = Runtime::new().unwrap();
        let etcds = runtime.block_on(Etcds::start()).unwrap();
        OfEtcd { runtime, etcds }
    }
}

impl Servers for OfEtcd {
    fn urls(&self) -> Vec<String> {
        self.etcds.urls().to_vec()
    }

    fn leader(&self) -> Option<usize> {
        self.runtime.block_on(self.etcds.leader())
    }

    fn lose(&mut self, server: usize) {
        self.etcds.lose(server).unwrap();
    }

    fn bring_back(&mut self, server: usize) {
        let back = self.etcds.bring_back(server);
        self.runtime.block_on(back).unwrap();
    }
}

/// Our nodes.
pub struct Ours(Trio);

impl Ours {
    pub fn start() -> Ours {
        let ours = Ours(Trio::start().unwrap());
        ours.wait_until_whole();
        ours
    }

    fn wait_until_whole(&self) {
        // One that does not answer yet is asked again.
        let is_whole = || Ok(self.0.is_whole().unwrap_or(false));
        wait::until_blocking("all nodes follow a leader", WHOLE_WITHIN, is_whole).unwrap();
    }
}

impl Servers for Ours {
    fn urls(&self) -> Vec<String> {
        (0..3).map(|node| self.0.etcd_url(node)).collect()
    }

    fn leader(&self) -> Option<usize> {
        self.0.leader()
    }

    fn lose(&mut self, server: usize) {
        self.0.lose(server, Loss::Killed).unwrap();
    }

    fn bring_back(&mut self, server: usize) {
        self.0.bring_back(server, Loss::Killed).unwrap();
        self.wait_until_whole();
    }
}
