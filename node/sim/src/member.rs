//! One simulated machine: what survives a crash, and what runs on it between two of them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_host::Host;
use node_replication::{ClusterKey, LogLimits, Timing};
use node_server::{Node, NodeStatus, StartError};
use node_storage::{Memory, Storage};
use tokio::runtime::{Builder, RngSeed, Runtime};

use crate::host::{Chance, Clock, Disk, Network, host};

/// The data folder on every simulated disk.
const FOLDER: &str = "/data";
/// Small segments, so that a short run has several.
const SEGMENT_BYTES: u64 = 256 << 10;

/// What a started node is, once it has started: itself, or why it did not.
type Slot = Arc<Mutex<Option<Result<Node, String>>>>;

/// One machine.
pub struct Member {
    /// Its name, and its host name on the network.
    pub name: String,
    disk: Disk,
    storage: Memory,
    chance: Chance,
    running: Option<Running>,
}

struct Running {
    runtime: Runtime,
    slot: Slot,
}

impl Member {
    /// A machine with an empty disk that does not run yet.
    pub fn new(name: &str, chance: &Chance) -> Self {
        Self {
            name: name.to_owned(),
            disk: Disk::new(chance.split()),
            storage: Memory::new(),
            chance: chance.split(),
            running: None,
        }
    }

    /// Where its peers reach it.
    pub fn peer_address(&self) -> String {
        format!("{}:6356", self.name)
    }

    /// From now on its disk has so much room.
    pub fn leave(&self, available_bytes: u64) {
        self.disk.leave(available_bytes);
    }

    /// Starts the node on what the disk holds.
    pub fn start(&mut self, network: &Network, age: Duration) {
        let seed = RngSeed::from_bytes(&self.chance.below(u64::MAX).to_le_bytes());
        let runtime = Builder::new_current_thread()
            .enable_time()
            .start_paused(true)
            .rng_seed(seed)
            .build();
        let runtime =
            runtime.expect("invariant: a runtime without I/O needs nothing of the machine");
        let slot = Slot::default();
        let (filled, address) = (slot.clone(), self.peer_address());
        let (disk, network, chance, name) = (
            self.disk.clone(),
            network.clone(),
            self.chance.clone(),
            self.name.clone(),
        );
        let storage: Arc<dyn Storage> = Arc::new(self.storage.clone());
        runtime.spawn(async move {
            let host = host(&name, &disk, &network, &chance, Clock::start(age));
            let folder = Path::new(FOLDER);
            let prepared = node_server::prepare(&host, folder).await;
            if prepared.as_ref().is_ok_and(|p| p.set_aside.is_some()) {
                let emptied = storage.replace(&mut std::iter::empty());
                emptied.expect("invariant: a storage in memory does not fail");
            }
            let started = match &prepared {
                Ok(_) => start(host, storage, address)
                    .await
                    .map_err(|error| chain(&error)),
                Err(error) => Err(chain(error)),
            };
            *filled
                .lock()
                .expect("invariant: nobody panics while filling the slot") = Some(started);
            // The folder stays locked until a crash ends this task.
            std::future::pending::<()>().await;
            drop(prepared);
        });
        self.running = Some(Running { runtime, slot });
    }

    /// The power goes: every task ends where it waits, and what was not synced is lost.
    pub fn crash(&mut self, network: &Network) {
        // Before the tasks: tokio drops them in an order that hangs on a counter of the whole process, and their peers
        // must not hear of their end in that order.
        network.forget(&self.name);
        self.running = None;
        self.disk.crash();
        let kept = self.chance.below(self.storage.unpersisted() as u64 + 1);
        self.storage.crash_at(kept as usize);
    }

    /// Whether a node runs, started or starting.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Lets the node live for a while.
    pub fn live(&self, span: Duration) {
        if let Some(running) = &self.running {
            running
                .runtime
                .block_on(async { tokio::time::sleep(span).await });
        }
    }

    /// The node, once it has started.
    ///
    /// # Panics
    /// When it refused to start: no fault that the simulator makes yet is a reason for that.
    pub fn node(&self) -> Option<Node> {
        let slot = self
            .running
            .as_ref()?
            .slot
            .lock()
            .expect("invariant: nobody panics while filling the slot");
        slot.as_ref().map(|started| match started {
            Ok(node) => node.clone(),
            Err(why) => unreachable!("{} refused to start: {why}", self.name),
        })
    }

    /// What the node says of itself, by the clock of its own machine: outside of it an instant would be the real one.
    pub fn status(&self) -> Option<NodeStatus> {
        let _clock = self.running.as_ref()?.runtime.enter();
        Some(self.node()?.status())
    }

    /// Runs a task on the node's machine; it ends there with a crash.
    pub fn spawn(&self, task: impl Future<Output = ()> + Send + 'static) {
        if let Some(running) = &self.running {
            running.runtime.spawn(task);
        }
    }
}

async fn start(host: Host, storage: Arc<dyn Storage>, address: String) -> Result<Node, StartError> {
    let limits = node_replication::Limits {
        snapshot_every_entries: 200,
        keep_entries: 50,
        log: LogLimits {
            segment_bytes: SEGMENT_BYTES,
            ..LogLimits::default()
        },
        ..node_replication::Limits::default()
    };
    let replication = node_replication::Config {
        data_dir: FOLDER.into(),
        listen: address.clone(),
        advertise: address,
        cluster_key: ClusterKey::new(*b"a key of thirty-two bytes at least")
            .expect("invariant: the key is long enough"),
        timing: Timing::default(),
        limits,
    };
    let config = node_server::Config {
        replication,
        limits: node_server::Limits::default(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
    };
    node_server::start(host, storage, config).await
}

fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        text = format!("{text}: {error}");
        cause = error.source();
    }
    text
}
