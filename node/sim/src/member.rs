//! One simulated machine: what survives a crash, and what runs on it between two of them.

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_host::{Flaw, Host};
use node_replication::{ClusterKey, LogLimits, Timing};
use node_server::{Node, NodeStatus, StartError};
use node_storage::{Memory, Storage};
use tokio::runtime::{Builder, RngSeed, Runtime};

use crate::host::{Chance, Clock, Disk, Network, State, Wall, host};
use crate::panics;

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
    /// Where its chance came from.
    seed: u64,
    /// The mistake that its nodes make.
    flaw: Option<Flaw>,
    /// The feature level of a cluster that its node founds.
    founding_level: u32,
    wall: Wall,
    /// How fast its time passes: thousandths of the world's.
    pace: u64,
    /// Microseconds that it owes to its pace.
    owed_micros: u64,
    /// The world's age until which it stands still, and what it has missed so far.
    stopped: Option<(Duration, Duration)>,
    running: Option<Running>,
    lives: u64,
    disks: u64,
}

struct Running {
    runtime: Runtime,
    slot: Slot,
}

/// How a node ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    /// Its process is killed: its machine keeps what was written.
    Kill,
    /// Its machine loses its power: what was not synced may be lost, and nobody is told.
    PowerLoss,
}

impl Member {
    /// A machine with an empty disk that does not run yet.
    pub fn new(name: &str, chance: &Chance, flaw: Option<Flaw>, founding_level: u32) -> Self {
        let disk = Disk::new(chance.split());
        let seed = chance.below(u64::MAX);
        Self {
            name: name.to_owned(),
            disk,
            storage: Memory::new(),
            chance: Chance::new(seed),
            seed,
            flaw,
            founding_level,
            wall: Wall::default(),
            pace: 1000,
            owed_micros: 0,
            stopped: None,
            running: None,
            lives: 0,
            disks: 0,
        }
    }

    /// Where its peers reach it.
    pub fn peer_address(&self) -> String {
        format!("{}:6356", self.name)
    }

    /// Its disk, for faults.
    pub fn disk(&self) -> &Disk {
        &self.disk
    }

    /// Its time of day, for faults.
    pub fn wall(&self) -> &Wall {
        &self.wall
    }

    /// From now on its time passes so many thousandths as fast as the world's.
    pub fn set_pace(&mut self, thousandths: u64) {
        self.pace = thousandths;
    }

    /// It stands still until the world is so old; then its clock has moved on, and nothing else.
    pub fn stand_still(&mut self, until: Duration) {
        if self.stopped.is_none() {
            self.stopped = Some((until, Duration::ZERO));
        }
    }

    /// Whether it stands still.
    pub fn stands_still(&self) -> bool {
        self.stopped.is_some()
    }

    /// How often it was started.
    pub fn lives(&self) -> u64 {
        self.lives
    }

    /// How often its disk was replaced.
    pub fn disks(&self) -> u64 {
        self.disks
    }

    /// What a crash would leave of its state.
    pub fn durable_state(&self) -> Memory {
        self.storage.durable()
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
        // What the machine held open before it lost its power is reset once it is back.
        network.forget(&self.name);
        self.lives += 1;
        let slot = Slot::default();
        let (filled, address) = (slot.clone(), self.peer_address());
        // Who draws the same after each start draws the same id, too.
        let chance = match self.flaw {
            Some(Flaw::ReuseId) => Chance::new(self.seed),
            _ => self.chance.clone(),
        };
        let (disk, network, name, wall) = (
            self.disk.clone(),
            network.clone(),
            self.name.clone(),
            self.wall.clone(),
        );
        let (flaw, founding_level) = (self.flaw, self.founding_level);
        let storage: Arc<dyn Storage> = Arc::new(State {
            memory: self.storage.clone(),
            flaw,
            disk: self.disk.clone(),
        });
        runtime.spawn(async move {
            let clock = Clock::start(age, wall);
            let host = Host {
                flaw,
                ..host(&name, &disk, &network, &chance, clock)
            };
            let folder = Path::new(FOLDER);
            let prepared = node_server::prepare(&host, folder).await;
            if prepared.as_ref().is_ok_and(|p| p.set_aside.is_some()) {
                let emptied = storage.replace(&mut std::iter::empty());
                emptied.expect("invariant: a storage in memory does not fail");
            }
            let started = match &prepared {
                Ok(_) => start(host, storage, address, founding_level)
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

    /// Every task ends where it waits.
    pub fn end(&mut self, how: End, network: &Network) {
        // Before the tasks: tokio drops them in an order that hangs on a counter of the whole process, and their peers
        // must not hear of their end in that order.
        match how {
            End::Kill => network.forget(&self.name),
            End::PowerLoss => network.fall_silent(&self.name),
        }
        self.running = None;
        self.stopped = None;
        match how {
            End::Kill => self.disk.release(),
            End::PowerLoss => {
                self.disk.crash();
                let kept = self.chance.below(self.storage.unpersisted() as u64 + 1);
                self.storage.crash_at(kept as usize);
            }
        }
    }

    /// The disk is replaced by an empty one. No node may be running.
    pub fn lose_disk(&mut self) {
        self.disk.wipe();
        self.storage = Memory::new();
        self.disks += 1;
    }

    /// The power goes, and of the state nothing stays that was not persisted. No node may be running.
    pub fn forget_unpersisted(&mut self) {
        self.storage.crash();
    }

    /// Whether a node runs, started or starting.
    pub fn is_running(&self) -> bool {
        self.running.is_some()
    }

    /// Lets the node live for a step of the world, at its own pace; `age` is the world's before it.
    pub fn live(&mut self, step: Duration, age: Duration) {
        let Some(running) = &self.running else { return };
        self.owed_micros += step.as_micros() as u64 * self.pace / 1000;
        let due = Duration::from_millis(self.owed_micros / 1000);
        self.owed_micros %= 1000;
        match &mut self.stopped {
            Some((until, missed)) if age < *until => *missed += due,
            Some((_, missed)) => {
                let missed = *missed + due;
                self.stopped = None;
                let wake = async { tokio::time::advance(missed).await };
                panics::not_caught_in(|| running.runtime.block_on(wake));
            }
            None if due.is_zero() => {}
            None => {
                let live = async { tokio::time::sleep(due).await };
                panics::not_caught_in(|| running.runtime.block_on(live));
            }
        }
    }

    /// The node, once it has started; nothing where it refused to.
    pub fn node(&self) -> Option<Node> {
        self.started()?.ok()
    }

    /// Why the node refused to start, if it did.
    pub fn refusal(&self) -> Option<String> {
        self.started()?.err()
    }

    fn started(&self) -> Option<Result<Node, String>> {
        let slot = &self.running.as_ref()?.slot;
        let slot = slot
            .lock()
            .expect("invariant: nobody panics while filling the slot");
        slot.clone()
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

async fn start(
    host: Host,
    storage: Arc<dyn Storage>,
    address: String,
    founding_level: u32,
) -> Result<Node, StartError> {
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
        founding_level,
        access: node_server::AccessConfig::default(),
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
