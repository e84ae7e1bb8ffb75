//! Watches the core: keeps the gate informed, makes the status, and does the few things that follow from what it sees.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use openraft::async_runtime::WatchReceiver;
use openraft::{RaftMetrics, ServerState};
use tokio::sync::watch;
use tokio::time::Instant;

use crate::config::Timing;
use crate::ids::MemberId;
use crate::log::Wal;
use crate::membership::Member;
use crate::peers::{Denial, Gate, LaneKind, Pool};
use crate::raft::abstention::Abstention;
use crate::raft::changes::Changes;
use crate::raft::config::{C, Raft};
use crate::raft::convert;
use crate::raft::heard::Heard;
use crate::raft::machine::MachineHandle;
use crate::raft::node::MetricsReceiver;
use crate::raft::snapshots::Snapshots;
use crate::raft::state_machine::SnapshotCounts;
use crate::raft::succession::Succession;
use crate::status::{Role, Status};
use crate::stop::stopped;

/// A member is caught up when it has what was committed so long ago.
const CAUGHT_UP_WITHIN: Duration = Duration::from_secs(1);
/// Election timeouts between two questions to the others, of a member that hears of no leader.
const ASKS_EVERY_ELECTIONS: u32 = 5;
/// The status is made anew at most so often.
const REFRESH_EVERY: Duration = Duration::from_millis(20);

/// Counted by calls.
#[derive(Default)]
pub struct Tally {
    pub proposals: AtomicU64,
    pub forwarded: AtomicU64,
    pub busy: AtomicU64,
    pub reads: AtomicU64,
    pub read_rounds: AtomicU64,
    pub elections: AtomicU64,
}

impl Tally {
    /// One round confirmed so many reads.
    pub fn count_reads(&self, reads: u64) {
        self.reads.fetch_add(reads, Ordering::Relaxed);
        self.read_rounds.fetch_add(1, Ordering::Relaxed);
    }
}

/// Everything a status is made of.
pub struct Observer {
    pub raft: Raft,
    /// The core's metrics, to look at and never to hold.
    pub leading: MetricsReceiver,
    pub gate: Arc<Gate>,
    pub pool: Arc<Pool>,
    pub wal: Wal,
    pub machine: MachineHandle,
    pub snapshots: Arc<Snapshots>,
    pub snapshot_counts: Arc<SnapshotCounts>,
    pub tally: Arc<Tally>,
    pub timing: Timing,
    pub advertise: String,
    /// Beyond it the log is cut at the newest snapshot.
    pub log_bytes_max: u64,
    /// As long as it applies this member does not stand for election.
    pub abstention: Arc<Abstention>,
    pub heard: Arc<Heard>,
    /// While this member leads: when which index was committed.
    pub commits: Mutex<VecDeque<(Instant, u64)>>,
    pub self_removed: AtomicBool,
    pub log_lost: AtomicBool,
    pub status: watch::Sender<Status>,
}

/// What the core says of itself.
pub type Metrics = RaftMetrics<C>;

impl Observer {
    /// What the core says now. Cloned at once: nothing may hold the core's channel.
    pub fn metrics(&self) -> Metrics {
        self.raft.metrics().borrow_watched().clone()
    }

    /// Watches until `stop` or the end of the core.
    pub async fn run(&self, changes: &Changes, mut stop: watch::Receiver<bool>) {
        let mut metrics = self.raft.metrics();
        let mut kept = self.machine.kept();
        let mut waits_to_vote = true;
        let mut succession = Succession::new(Duration::from_millis(self.timing.heartbeat_ms));
        loop {
            self.refresh();
            let leader = self.leading.borrow_watched().current_leader.map(MemberId);
            if let Some(former) = succession.over(leader, Instant::now()) {
                self.pool.forget(former, LaneKind::Forward);
            }
            if self.gate.is_left_behind() {
                self.end_history().await;
                break;
            }
            if waits_to_vote && !self.abstention.applies() {
                waits_to_vote = false;
                self.raft
                    .runtime_config()
                    .elect(!self.self_removed.load(Ordering::Relaxed));
            }
            changes.finish_joint(&self.metrics());
            self.bound_log().await;
            tokio::time::sleep(REFRESH_EVERY).await;
            let heartbeat = Duration::from_millis(self.timing.heartbeat_ms);
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                changed = metrics.changed() => if changed.is_err() { break },
                _ = kept.changed() => {}
                () = tokio::time::sleep(heartbeat) => {}
            }
        }
        self.refresh();
    }

    /// Another history of the cluster goes on: nothing more may be acknowledged in this one.
    async fn end_history(&self) {
        tracing::error!("the cluster began anew without this disk; this member does nothing more");
        if let Err(error) = self.raft.shutdown().await {
            tracing::error!(%error, "the raft core died");
        }
    }

    /// Asks the other members who they are, before this one votes; and again and again while no leader is heard of: nobody
    /// calls a member that was removed while it was away, and so nobody would tell it.
    pub async fn ask_around(&self, mut stop: watch::Receiver<bool>) {
        let election_max = Duration::from_millis(self.timing.election_max_ms);
        let asking = async {
            let others = self.others().await;
            self.abstention.ask(&self.pool, &self.gate, others).await;
            loop {
                tokio::time::sleep(ASKS_EVERY_ELECTIONS * election_max).await;
                if self.living_leader(&self.metrics()).is_none() {
                    self.pool.greet(&self.others().await).await;
                }
            }
        };
        tokio::select! {
            biased;
            () = stopped(&mut stop) => {}
            () = asking => {}
        }
    }

    /// The other members, once the core has said who they are; its first metrics say nothing.
    pub async fn others(&self) -> BTreeMap<u64, Member> {
        let mut metrics = self.raft.metrics();
        if self.wal.last().is_some() {
            // A core that has died names nobody.
            let told = metrics.wait_until(|metrics| metrics.last_log_index.is_some());
            if told.await.is_err() {
                return BTreeMap::new();
            }
        }
        let mut others = convert::roster(self.metrics().membership_config.membership()).members;
        others.remove(self.raft.node_id());
        others
    }

    /// Informs the gate and makes the status anew.
    pub fn refresh(&self) {
        let metrics = self.metrics();
        self.sample(&metrics);
        self.inform_gate(&metrics);
        self.notice_removal(&metrics);
        self.notice_lost_log(&metrics);
        let status = self.compose(&metrics);
        let (was, followed) = {
            let before = self.status.borrow();
            (before.role, before.leader)
        };
        match status.leader {
            now if now == followed => {}
            Some(leader) => tracing::info!(%leader, term = status.term, "a member leads"),
            None => tracing::warn!("no leader is heard of, or no majority of the voters"),
        }
        if status.role == Role::Candidate && was != Role::Candidate {
            self.tally.elections.fetch_add(1, Ordering::Relaxed);
        }
        self.status.send_if_modified(|current| {
            let changed = *current != status;
            *current = status;
            changed
        });
    }

    /// A log that is too large on disk goes: up to the newest snapshot, and up to a newer one when that is not enough.
    async fn bound_log(&self) {
        if self.wal.stats().bytes <= self.log_bytes_max {
            return;
        }
        let applied = *self.machine.applied().borrow();
        let snapshot = self.snapshots.last().map(|file| file.applied().last);
        let asked = match snapshot {
            Some(at) if self.wal.purged() < Some(at) => {
                self.raft.trigger().purge_log(at.index).await
            }
            // While one is being built, the core takes no notice.
            at if at < applied => self.raft.trigger().snapshot().await,
            _ => return,
        };
        if let Err(error) = asked {
            tracing::debug!(%error, "the core is gone; its log stays as it is");
        }
    }

    fn sample(&self, metrics: &Metrics) {
        let mut commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        if metrics.state != ServerState::Leader {
            return commits.clear();
        }
        let Some(committed) = &metrics.local_committed else {
            return;
        };
        let now = Instant::now();
        commits.push_back((now, committed.index));
        // The front stays the newest sample that is old enough.
        while commits
            .get(1)
            .is_some_and(|(at, _)| now - *at >= CAUGHT_UP_WITHIN)
        {
            commits.pop_front();
        }
    }

    fn inform_gate(&self, metrics: &Metrics) {
        let roster = convert::roster(metrics.membership_config.membership());
        let kept = self.machine.kept().borrow().clone();
        let committed = metrics.local_committed;
        let ids = roster.ids();
        self.gate.update(|directory| {
            directory.leading = metrics.state == ServerState::Leader;
            directory.removed = kept.removed.clone();
            for (member, matched) in metrics.replication.iter().flatten() {
                let Some(known) = (*matched).min(committed) else {
                    continue;
                };
                let known = convert::log_id(&known);
                let acknowledged = directory.acknowledged.entry(*member).or_insert(known);
                *acknowledged = known.max(*acknowledged);
            }
            directory
                .acknowledged
                .retain(|member, _| ids.contains(member));
            directory.members = roster.members;
        });
        self.pool.keep(&ids);
    }

    /// A member that was removed stops standing for election.
    fn notice_removal(&self, metrics: &Metrics) {
        if self.self_removed.load(Ordering::Relaxed) {
            return;
        }
        let me = self.raft.node_id();
        let kept = self.machine.kept().borrow().removed.contains(me);
        if kept || self.is_turned_down(metrics, Denial::Removed) || self.gate.is_left_behind() {
            self.self_removed.store(true, Ordering::Relaxed);
            self.raft.runtime_config().elect(false);
            tracing::warn!("this member was removed from the cluster; it votes no more");
        }
    }
}
