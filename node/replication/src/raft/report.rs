//! The status of a member, made of what its parts say.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::PoisonError;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use openraft::alias::{LogIdOf, SerdeInstantOf};
use openraft::{Instant as _, ServerState};

use crate::ids::{LogId, MemberId};
use crate::log::LogStats;
use crate::membership::{Known, Member};
use crate::raft::config::C;
use crate::raft::convert;
use crate::raft::observer::{Metrics, Observer};
use crate::status::{Counters, FsyncSummary, MemberStatus, Role, Status};

fn id(id: &Option<LogIdOf<C>>) -> Option<LogId> {
    id.as_ref().map(convert::log_id)
}

impl Observer {
    /// The status as of now.
    pub fn now(&self) -> Status {
        self.compose(&self.metrics())
    }

    /// The status as the core's metrics have it.
    pub fn compose(&self, metrics: &Metrics) -> Status {
        let identity = self.gate.identity();
        let membership = &metrics.membership_config;
        let stats = self.wal.stats();
        let (_, _, denied_by) = self.gate.counts();
        let leader = self.living_leader(metrics);
        let removed = self.machine.kept().borrow().removed.clone();
        Status {
            member: identity.member,
            cluster: identity.cluster,
            incarnation: identity.incarnation,
            public_key: identity.public_key(),
            peer_address: self.advertise.clone(),
            role: match metrics.state {
                _ if identity.cluster.is_none() => Role::Waiting,
                ServerState::Leader => Role::Leader,
                ServerState::Candidate => Role::Candidate,
                ServerState::Follower => Role::Follower,
                ServerState::Learner | ServerState::Shutdown => Role::Learner,
            },
            term: metrics.current_term,
            leader,
            last_log: self.wal.last(),
            committed: id(&metrics.local_committed),
            applied: *self.machine.applied().borrow(),
            purged: self.wal.purged(),
            snapshot: self.snapshots.last().map(|file| file.applied().last),
            membership_at: id(membership.log_id()),
            membership_joint: membership.get_joint_config().len() > 1,
            members: self.members(metrics),
            removed: removed.into_iter().map(MemberId).collect(),
            self_removed: self.self_removed.load(Ordering::Relaxed),
            log_lost: self.log_lost.load(Ordering::Relaxed),
            left_behind: self.gate.is_left_behind(),
            leaderless: leader.is_none(),
            refused_by: denied_by
                .into_iter()
                .map(|(by, why)| (by, why.to_string()))
                .collect(),
            fatal: self.fatal(metrics, stats.poisoned.clone()),
            fsync: FsyncSummary {
                count: stats.syncs,
                p50_us: stats.sync_p50_us,
                p99_us: stats.sync_p99_us,
            },
            log_bytes: stats.bytes,
            counters: self.counters(&stats),
        }
    }

    fn fatal(&self, metrics: &Metrics, log: Option<String>) -> Option<String> {
        let machine = self.machine.fatal().borrow().clone();
        let left_behind = self.gate.is_left_behind().then(|| {
            "the cluster began anew without this disk, whose history is no more; start again to join under a new id"
                .to_owned()
        });
        left_behind
            .or(machine)
            .or(log)
            .or_else(|| match &metrics.running_state {
                Ok(()) | Err(openraft::errors::Fatal::Stopped) => None,
                Err(fatal) => Some(fatal.to_string()),
            })
    }

    fn counters(&self, log: &LogStats) -> Counters {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let (applied_entries, applied_runs) = self.machine.counts();
        let (hellos_refused, hellos_denied, _) = self.gate.counts();
        Counters {
            proposals: count(&self.tally.proposals),
            forwarded: count(&self.tally.forwarded),
            busy: count(&self.tally.busy),
            reads: count(&self.tally.reads),
            read_rounds: count(&self.tally.read_rounds),
            applied_entries,
            applied_runs,
            snapshots_built: count(&self.snapshot_counts.built),
            snapshots_installed: count(&self.snapshot_counts.installed),
            snapshots_resumed: count(&self.snapshot_counts.resumed),
            hellos_refused,
            hellos_denied,
            elections: count(&self.tally.elections),
            truncations: log.truncations,
            torn_tails_cut: log.torn_tail_cut.into(),
        }
    }

    fn members(&self, metrics: &Metrics) -> Vec<MemberStatus> {
        let voters: BTreeSet<u64> = metrics.membership_config.voter_ids().collect();
        let progress = self.progress(metrics);
        let member = |(id, member): (&u64, &Member)| {
            let Progress {
                matched,
                reached,
                caught_up,
            } = progress.get(id).copied().unwrap_or_default();
            MemberStatus {
                id: MemberId(*id),
                member: member.clone(),
                voter: voters.contains(id),
                matched,
                caught_up,
                reached,
            }
        };
        metrics.membership_config.nodes().map(member).collect()
    }

    /// What is known of each member's progress. Only a leader knows more than who leads.
    fn progress(&self, metrics: &Metrics) -> BTreeMap<u64, Progress> {
        let me = *self.raft.node_id();
        let mut progress = BTreeMap::new();
        if let Some(MemberId(leader)) = self.living_leader(metrics) {
            progress.insert(
                leader,
                Progress {
                    reached: Some(true),
                    ..Progress::default()
                },
            );
        }
        let own = self.wal.last().map(|id| id.index);
        let Some(replication) = &metrics.replication else {
            progress.insert(
                me,
                Progress {
                    matched: own,
                    reached: Some(true),
                    caught_up: false,
                },
            );
            return progress;
        };
        let floor = self.commit_floor(metrics);
        let lately = Duration::from_millis(2 * self.timing.election_max_ms);
        let reached = |acked: &Option<SerdeInstantOf<C>>| {
            acked.as_ref().is_some_and(|at| at.elapsed() < lately)
        };
        for (id, matched) in replication {
            let matched = matched.as_ref().map(|id| id.index);
            let acked = metrics.heartbeat.as_ref().and_then(|heard| heard.get(id));
            let reached = acked.is_some_and(reached);
            let caught_up = reached && matched.is_some() && matched >= floor;
            progress.insert(
                *id,
                Progress {
                    matched,
                    reached: Some(reached),
                    caught_up,
                },
            );
        }
        progress.insert(
            me,
            Progress {
                matched: own,
                reached: Some(true),
                caught_up: true,
            },
        );
        progress
    }

    fn commit_floor(&self, metrics: &Metrics) -> Option<u64> {
        let commits = self.commits.lock().unwrap_or_else(PoisonError::into_inner);
        let sampled = commits.front().map(|(_, index)| *index);
        sampled.or(metrics.local_committed.as_ref().map(|id| id.index))
    }

    /// What the guard of membership needs to know.
    pub fn known(&self, metrics: &Metrics) -> Known {
        let membership = &metrics.membership_config;
        let healthy = self
            .progress(metrics)
            .into_iter()
            .filter(|(_, p)| p.caught_up);
        Known {
            roster: convert::roster(membership.membership()),
            at: id(membership.log_id()),
            committed: membership.log_id() == metrics.committed_membership_config.log_id(),
            removed: self.machine.kept().borrow().removed.clone(),
            healthy: healthy.map(|(id, _)| id).collect(),
        }
    }
}

#[derive(Clone, Copy, Default)]
struct Progress {
    matched: Option<u64>,
    reached: Option<bool>,
    caught_up: bool,
}
