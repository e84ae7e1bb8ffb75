//! Puts a member together from what its disk holds.

use std::future::{Future, ready};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use node_host::{Flaw, Host, Listener};
use tokio::sync::watch;

use crate::config::{Config, ELECTION_MIN_MS};
use crate::contract::{Proof, Stamper};
use crate::errors::StartError;
use crate::identity::Identity;
use crate::peers::{self, Dialer, Gate, Pool};
use crate::raft::abstention::Abstention;
use crate::raft::changes::Changes;
use crate::raft::config::{Raft, Runtime, settings};
use crate::raft::disk::Disk;
use crate::raft::heard::Heard;
use crate::raft::incoming::Incoming;
use crate::raft::leader::confirm;
use crate::raft::log_store::LogStore;
use crate::raft::machine::MachineHandle;
use crate::raft::network::Network;
use crate::raft::node::Node;
use crate::raft::observer::Observer;
use crate::raft::proposals::Proposals;
use crate::raft::questions::Questions;
use crate::raft::reads::{self, Confirmed, Reads};
use crate::raft::recovery::carry_out;
use crate::raft::service::Service;
use crate::raft::state_machine::{SnapshotCounts, StateMachine};
use crate::status::Status;

/// A member that cut a torn tail lets others go first for so many of the longest election timeouts.
const TORN_TAIL_ELECTIONS: u32 = 3;
/// A member that starts waits for the answers of others for so many of them.
const ASK_ELECTIONS: u32 = 2;

/// Runs a task of this member, with chance that follows from the host's.
fn spawn(
    host: &Host,
    task: impl Future<Output = ()> + Send + 'static,
) -> tokio::task::JoinHandle<()> {
    tokio::spawn(Runtime::scope(host.random.u64(), task))
}

/// What a member is put together from.
struct Parts {
    host: Host,
    config: Config,
    disk: Disk,
    gate: Arc<Gate>,
    pool: Arc<Pool>,
    snapshot_counts: Arc<SnapshotCounts>,
    local_addr: String,
    abstention: Arc<Abstention>,
    heard: Arc<Heard>,
}

/// Starts a life of a member on what its disk holds: first of all it carries out a recovery that was decided there.
pub async fn start(
    host: Host,
    config: Config,
    identity: Identity,
    machine: MachineHandle,
    stamper: Arc<dyn Stamper>,
    status: watch::Sender<Status>,
) -> Result<Node, StartError> {
    let mut disk = Disk::open(&host, &config, machine).await?;
    let identity = carry_out(&host, &config.data_dir, identity, &mut disk).await?;
    let abstains = disk.recovered.torn_tail_cut || disk.wal.last().is_some();
    let settings = settings(&config, abstains)?;
    let listened = host.network.listen(&config.listen).await;
    let listener = listened.map_err(|source| StartError::Listen {
        address: config.listen.clone(),
        source,
    })?;
    let founding = identity.founding;
    let parts = Parts::new(host, config, disk, identity, listener.local_addr());
    let seed = parts.host.random.u64();
    let raft = Runtime::scope(seed, parts.core(settings)).boxed().await?;
    let observer = Arc::new(parts.observer(&raft, status));
    let changes = Changes {
        raft,
        observer,
        one: Arc::default(),
    };
    if founding {
        let finished = Runtime::scope(seed, changes.found()).boxed().await;
        finished.map_err(|error| StartError::Core(error.to_string()))?;
    }
    Ok(parts.run(listener, changes, stamper))
}

impl Parts {
    fn new(
        host: Host,
        config: Config,
        disk: Disk,
        identity: Identity,
        local_addr: String,
    ) -> Parts {
        let last_log = {
            let (wal, snapshots) = (disk.wal.clone(), disk.snapshots.clone());
            move || {
                wal.last()
                    .max(snapshots.last().map(|file| file.applied().last))
            }
        };
        let (dir, key) = (config.data_dir.clone(), config.cluster_key.clone());
        let gate = Arc::new(Gate::new(host.clone(), dir, key, identity, last_log));
        let dialer = Arc::new(Dialer {
            host: host.clone(),
            gate: gate.clone(),
        });
        let election_max = Duration::from_millis(config.timing.election_max_ms);
        let pool = Arc::new(Pool::new(dialer, 2 * election_max));
        let surely = match disk.recovered.torn_tail_cut {
            true => TORN_TAIL_ELECTIONS * election_max,
            false => Duration::from_millis(ELECTION_MIN_MS),
        };
        let abstention = Arc::new(Abstention::new(surely, ASK_ELECTIONS * election_max));
        let snapshot_counts = Arc::default();
        Parts {
            host,
            config,
            disk,
            gate,
            pool,
            snapshot_counts,
            local_addr,
            abstention,
            heard: Arc::default(),
        }
    }

    /// The Raft core on top of the disk. Opening it applies what is known to be committed.
    async fn core(&self, settings: Arc<openraft::Config>) -> Result<Raft, StartError> {
        let Parts {
            host,
            config,
            disk,
            gate,
            pool,
            snapshot_counts,
            ..
        } = self;
        let state_machine = StateMachine {
            host: host.clone(),
            gate: gate.clone(),
            machine: disk.machine.clone(),
            snapshots: disk.snapshots.clone(),
            durable: disk.wal.durable(),
            counts: snapshot_counts.clone(),
            wal: disk.wal.clone(),
            log_bytes_max: config.limits.log_bytes_max,
        };
        let (wal, machine) = (disk.wal.clone(), disk.machine.clone());
        let append_bytes_max = config.limits.append_bytes_max;
        let log_store = LogStore::new(wal, &disk.recovered, machine, append_bytes_max);
        let network = Network {
            host: host.clone(),
            pool: pool.clone(),
            append_depth: config.limits.append_depth,
            append_within_min: Duration::from_millis(config.timing.election_max_ms),
            snapshot_bytes_per_second: config.limits.snapshot_bytes_per_second,
            snapshot_counts: snapshot_counts.clone(),
        };
        let member = gate.identity().member.0;
        let started = Raft::new(member, settings, network, log_store, state_machine).await;
        started.map_err(|error| StartError::Core(error.to_string()))
    }

    fn observer(&self, raft: &Raft, status: watch::Sender<Status>) -> Observer {
        let Parts { config, disk, .. } = self;
        Observer {
            leading: raft.metrics(),
            raft: raft.clone(),
            gate: self.gate.clone(),
            pool: self.pool.clone(),
            wal: disk.wal.clone(),
            machine: disk.machine.clone(),
            snapshots: disk.snapshots.clone(),
            snapshot_counts: self.snapshot_counts.clone(),
            tally: Arc::default(),
            timing: config.timing,
            log_bytes_max: config.limits.log_bytes_max,
            advertise: advertise(&config.advertise, &self.local_addr),
            abstention: self.abstention.clone(),
            heard: self.heard.clone(),
            commits: Mutex::default(),
            self_removed: Default::default(),
            log_lost: Default::default(),
            status,
        }
    }

    /// Starts the tasks of a member.
    fn run(self, listener: Box<dyn Listener>, changes: Changes, stamper: Arc<dyn Stamper>) -> Node {
        let Parts {
            host,
            config,
            disk,
            gate,
            local_addr,
            ..
        } = self;
        let (raft, observer) = (changes.raft.clone(), changes.observer.clone());
        let (proposals, proposed) = Proposals::new(&config.limits);
        let (leading_reads, leading_queues) = Reads::new();
        let (reads, queues) = Reads::new();
        // Only of what this member leads.
        let questions = Questions {
            leading_reads: leading_reads.clone(),
            stamper: stamper.clone(),
            raft: raft.clone(),
            machine: observer.machine.clone(),
        };
        let service = Arc::new(Service {
            host: host.clone(),
            raft: raft.clone(),
            proposals: proposals.clone(),
            questions: questions.clone(),
            incoming: Incoming::new(
                host.clone(),
                gate.clone(),
                disk.snapshots,
                self.snapshot_counts,
            ),
            stamper: stamper.clone(),
            gate: gate.clone(),
            abstention: self.abstention,
            heard: self.heard,
        });
        // Whoever looks at the status first sees what was started.
        observer.refresh();
        let node = Node::new(
            config,
            changes.clone(),
            proposals,
            reads,
            questions,
            local_addr,
            disk.lock,
        );

        let stopped = || node.stopped();
        let serving = peers::serve(listener, gate, service.handler(), stopped());
        let proposing = proposed.drain(raft.clone(), stamper, stopped());
        let leading = confirms_leading(host.has(Flaw::StaleLeaderRead), raft.clone());
        let confirming = leading_queues.drain(leading, |_| {}, stopped());
        let asks = confirm(observer.clone(), leading_reads);
        let confirm_anywhere = confirms_anywhere(host.has(Flaw::StaleFollowerRead), raft, asks);
        let tally = observer.tally.clone();
        let served = move |reads| tally.count_reads(reads);
        let reading = queues.drain(confirm_anywhere, served, stopped());
        let (stop, asker, stop_asking) = (stopped(), observer.clone(), stopped());
        let asking = async move { asker.ask_around(stop_asking).await };
        let observing = async move { observer.run(&changes, stop).await };
        node.set_tasks(vec![
            spawn(&host, serving),
            spawn(&host, proposing),
            spawn(&host, confirming),
            spawn(&host, reading),
            spawn(&host, asking),
            spawn(&host, observing),
        ]);
        node
    }
}

/// Confirms reads of what this member leads; `stale` is one of the simulator's mistakes.
fn confirms_leading(stale: bool, raft: Raft) -> impl Fn(Proof) -> BoxFuture<'static, Confirmed> {
    move |proof| match stale {
        true => ready(reads::unconfirmed(&raft)).boxed(),
        false => reads::confirm_leading(&raft, proof).boxed(),
    }
}

/// Confirms reads wherever the leader is; `stale` is another of these mistakes.
fn confirms_anywhere(
    stale: bool,
    raft: Raft,
    asks: impl Fn(Proof) -> BoxFuture<'static, Confirmed>,
) -> impl Fn(Proof) -> BoxFuture<'static, Confirmed> {
    move |proof| match stale {
        true => ready(reads::unconfirmed(&raft)).boxed(),
        false => asks(proof),
    }
}

/// The address that peers use: port 0 stands for the one that was bound.
fn advertise(advertise: &str, local_addr: &str) -> String {
    match (advertise.strip_suffix(":0"), local_addr.rsplit_once(':')) {
        (Some(host), Some((_, port))) => format!("{host}:{port}"),
        _ => advertise.to_owned(),
    }
}
