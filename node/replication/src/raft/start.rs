//! Puts a member together from what its disk holds.

use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::FutureExt;
use node_host::{Host, Listener};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::blocking;
use crate::config::Config;
use crate::contract::{Fatal, Machine, Stamper};
use crate::errors::StartError;
use crate::identity::Identity;
use crate::log::{Recovered, Wal};
use crate::peers::{self, Dialer, Gate, Pool};
use crate::raft::changes::Changes;
use crate::raft::config::{Raft, Runtime, settings};
use crate::raft::incoming::Incoming;
use crate::raft::log_store::LogStore;
use crate::raft::machine::MachineHandle;
use crate::raft::network::Network;
use crate::raft::node::{Node, confirm};
use crate::raft::observer::{Observer, Tally};
use crate::raft::proposals::Proposals;
use crate::raft::reads::{self, Reads};
use crate::raft::service::Service;
use crate::raft::snapshots::Snapshots;
use crate::raft::state_machine::{SnapshotCounts, StateMachine};
use crate::status::Status;

/// A member that cut a torn tail lets others go first for so many of the longest election timeouts.
const TORN_TAIL_ELECTIONS: u32 = 3;

/// What a disk holds, opened.
struct Disk {
    wal: Wal,
    recovered: Recovered,
    snapshots: Arc<Snapshots>,
    machine: MachineHandle,
    lock: Box<dyn Send + Sync>,
}

impl Disk {
    async fn open(
        host: &Host,
        config: &Config,
        machine: Box<dyn Machine>,
    ) -> Result<Disk, StartError> {
        let files = |action: &'static str| move |source| StartError::Files { action, source };
        let lock = {
            let (files_of, path) = (host.files.clone(), config.data_dir.join("replication.lock"));
            let dir = config.data_dir.clone();
            let lock = async move {
                files_of.create_dir_all(&dir)?;
                files_of.lock(&path)
            };
            let locked = blocking::run(host, "lock", lock)
                .await
                .map_err(files("run a worker"))?;
            locked.map_err(files("lock the data folder: does another process use it?"))?
        };
        let (wal, recovered) = Wal::open(host, &config.data_dir.join("log"), config.limits.log)
            .await
            .map_err(StartError::Log)?;
        let snapshots = {
            let (host, dir) = (host.clone(), config.data_dir.join("snapshots"));
            let opener = host.clone();
            let open = async move { Snapshots::open(&opener, dir) };
            let opened = blocking::run(&host, "snapshot", open)
                .await
                .map_err(files("run a worker"))?;
            opened.map_err(files("open the snapshots"))?
        };
        let machine = MachineHandle::start(host, machine).await?;
        if machine.applied().borrow().is_some() && recovered.last.is_none() {
            let why = "failed to find the log of this member: its state is there, its log is not. It may have promised \
                       what it no longer knows: start on an empty folder and let it rejoin as a new member";
            return Err(Fatal::new(why).into());
        }
        Ok(Disk {
            wal,
            recovered,
            snapshots,
            machine,
            lock,
        })
    }
}

/// Runs a task of this member, with chance that follows from the host's.
fn spawn(
    host: &Host,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Runtime::scope(host.random.u64(), task))
}

/// Starts a member.
pub async fn start(
    host: Host,
    config: Config,
    identity: Identity,
    machine: Box<dyn Machine>,
    stamper: Arc<dyn Stamper>,
) -> Result<Node, StartError> {
    config.validate()?;
    let settings = settings(&config)?;
    let disk = Disk::open(&host, &config, machine).await?;
    let listener = host
        .network
        .listen(&config.listen)
        .await
        .map_err(|source| StartError::Listen {
            address: config.listen.clone(),
            source,
        })?;
    let local_addr = listener.local_addr();
    let last_log = {
        let (wal, snapshots) = (disk.wal.clone(), disk.snapshots.clone());
        move || {
            wal.last()
                .max(snapshots.last().map(|file| file.applied().last))
        }
    };
    let founding = identity.founding;
    let (dir, key) = (config.data_dir.clone(), config.cluster_key.clone());
    let gate = Arc::new(Gate::new(host.clone(), dir, key, identity, last_log));
    let election_max = Duration::from_millis(config.timing.election_max_ms);
    let dialer = Arc::new(Dialer {
        host: host.clone(),
        gate: gate.clone(),
    });
    let pool = Arc::new(Pool::new(dialer, 2 * election_max));

    let snapshot_counts = Arc::new(SnapshotCounts::default());
    let raft = core(
        &host,
        &config,
        settings,
        &disk,
        &gate,
        &pool,
        &snapshot_counts,
    )
    .await?;
    let torn = disk.recovered.torn_tail_cut;
    let votes_from = Instant::now()
        + if torn {
            TORN_TAIL_ELECTIONS * election_max
        } else {
            Duration::ZERO
        };

    let Disk {
        wal,
        snapshots,
        machine,
        lock,
        ..
    } = disk;
    let observer = Arc::new(Observer {
        leading: raft.metrics(),
        raft: raft.clone(),
        gate: gate.clone(),
        pool: pool.clone(),
        wal,
        machine,
        snapshots,
        snapshot_counts,
        tally: Arc::new(Tally::default()),
        timing: config.timing,
        advertise: advertise(&config.advertise, &local_addr),
        votes_from,
        commits: Mutex::default(),
        self_removed: Default::default(),
        status: watch::Sender::new(Status::default()),
    });
    let changes = Changes {
        raft,
        observer: observer.clone(),
        one: Arc::default(),
    };
    if founding {
        let finished = Runtime::scope(host.random.u64(), changes.found()).await;
        finished.map_err(|error| StartError::Core(error.to_string()))?;
    }
    Ok(run(
        host, config, listener, changes, stamper, lock, local_addr,
    ))
}

/// The Raft core on top of the disk. Opening it applies what is known to be committed.
async fn core(
    host: &Host,
    config: &Config,
    settings: Arc<openraft::Config>,
    disk: &Disk,
    gate: &Arc<Gate>,
    pool: &Arc<Pool>,
    counts: &Arc<SnapshotCounts>,
) -> Result<Raft, StartError> {
    let state_machine = StateMachine {
        host: host.clone(),
        gate: gate.clone(),
        machine: disk.machine.clone(),
        snapshots: disk.snapshots.clone(),
        durable: disk.wal.durable(),
        counts: counts.clone(),
    };
    let log_store = LogStore::new(
        disk.wal.clone(),
        &disk.recovered,
        disk.machine.clone(),
        config.limits.append_bytes_max,
    );
    let network = Network {
        host: host.clone(),
        pool: pool.clone(),
        append_depth: config.limits.append_depth,
        append_within_min: Duration::from_millis(config.timing.election_max_ms),
    };
    let seed = host.random.u64();
    let member = gate.identity().member.0;
    let new = Raft::new(member, settings, network, log_store, state_machine);
    let raft = Runtime::scope(seed, new)
        .boxed()
        .await
        .map_err(|error| StartError::Core(error.to_string()))?;
    if disk.recovered.torn_tail_cut {
        raft.runtime_config().elect(false);
    }
    Ok(raft)
}

/// The address that peers use: port 0 stands for the one that was bound.
fn advertise(advertise: &str, local_addr: &str) -> String {
    match (advertise.strip_suffix(":0"), local_addr.rsplit_once(':')) {
        (Some(host), Some((_, port))) => format!("{host}:{port}"),
        _ => advertise.to_owned(),
    }
}

/// Starts the tasks of a member.
fn run(
    host: Host,
    config: Config,
    listener: Box<dyn Listener>,
    changes: Changes,
    stamper: Arc<dyn Stamper>,
    lock: Box<dyn Send + Sync>,
    local_addr: String,
) -> Node {
    let (raft, observer) = (changes.raft.clone(), changes.observer.clone());
    let (proposals, proposed) = Proposals::new(&config.limits);
    let (leading_reads, leading_queue) = Reads::new();
    let (reads, queue) = Reads::new();
    let service = Arc::new(Service {
        host: host.clone(),
        raft: raft.clone(),
        proposals: proposals.clone(),
        leading_reads: leading_reads.clone(),
        incoming: Incoming::new(
            host.clone(),
            observer.gate.clone(),
            observer.snapshots.clone(),
        ),
        votes_from: observer.votes_from,
    });
    let node = Node::new(config, changes, proposals, reads, local_addr, lock);

    let mut tasks = Vec::new();
    let gate = observer.gate.clone();
    let stopped = || node.stopped();
    tasks.push(spawn(
        &host,
        peers::serve(listener, gate, service.handler(), stopped()),
    ));
    tasks.push(spawn(
        &host,
        proposed.drain(raft.clone(), stamper, stopped()),
    ));
    let confirm_leading = {
        let raft = raft.clone();
        move || reads::confirm_leading(&raft).boxed()
    };
    tasks.push(spawn(
        &host,
        leading_queue.drain(confirm_leading, |_| {}, stopped()),
    ));
    let confirm_anywhere = confirm(observer.clone(), leading_reads);
    let tally = observer.tally.clone();
    let served = move |reads| tally.count_reads(reads);
    tasks.push(spawn(
        &host,
        queue.drain(confirm_anywhere, served, stopped()),
    ));
    let changes = node.changes().clone();
    let watching = stopped();
    tasks.push(spawn(&host, async move {
        observer.run(&changes, watching).await
    }));
    node.set_tasks(tasks);
    node
}
