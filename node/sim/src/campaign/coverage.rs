//! What happened in a run, so that a campaign in which nothing happened is not taken for a good one.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::AddAssign;

use node_api::etcd::etcdserverpb::response_op::Response;
use node_replication::{LogId, Role};

use super::run::Stage;
use crate::World;
use crate::clients::Answer;
use crate::etcd::{self, Ask, Judged, Said};

/// Counts of what happened.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Coverage {
    /// Operations of clients.
    pub operations: u64,
    /// Of these, with a known good outcome.
    pub answered: u64,
    /// Of these, with an unknown one.
    pub unknown: u64,
    /// Requests that were sent more than once.
    pub repeated: u64,
    /// Terms that somebody led.
    pub elections: u64,
    /// Changes of membership.
    pub membership_changes: u64,
    /// Times that the end of a log was given up for another leader's.
    pub truncations: u64,
    /// Ends of a log that a crash had torn.
    pub torn_tails: u64,
    /// Snapshots that came from a peer.
    pub snapshots_installed: u64,
    /// Times that a log's front was given up.
    pub purges: u64,
    /// Starts of nodes.
    pub starts: u64,
    /// Disks that were lost.
    pub disks_lost: u64,
    /// Damaged disks that a node refused.
    pub refused_disks: u64,
    /// Transactions of etcd's API that were answered.
    pub transactions: u64,
    /// Compactions that were done.
    pub compactions: u64,
    /// Leases that took keys along because their time was over.
    pub lease_expiries: u64,
    /// Watches that went on after another one, and were told of something.
    pub watch_resumes: u64,
}

impl Coverage {
    /// The kinds of events without which a campaign is blind.
    pub fn blind_spots(&self) -> Vec<&'static str> {
        [
            (self.elections, "elections"),
            (self.truncations, "truncated tails"),
            (self.snapshots_installed, "snapshot installs"),
            (self.torn_tails, "torn recoveries"),
            (self.membership_changes, "membership changes"),
            (self.repeated, "repeated requests"),
            (self.purges, "purges"),
            (self.refused_disks, "refused disks"),
            (self.transactions, "transactions"),
            (self.compactions, "compactions"),
            (self.lease_expiries, "lease expiries"),
            (self.watch_resumes, "watch resumes"),
        ]
        .into_iter()
        .filter_map(|(count, what)| (count == 0).then_some(what))
        .collect()
    }
}

impl AddAssign for Coverage {
    fn add_assign(&mut self, other: Coverage) {
        self.operations += other.operations;
        self.answered += other.answered;
        self.unknown += other.unknown;
        self.repeated += other.repeated;
        self.elections += other.elections;
        self.membership_changes += other.membership_changes;
        self.truncations += other.truncations;
        self.torn_tails += other.torn_tails;
        self.snapshots_installed += other.snapshots_installed;
        self.purges += other.purges;
        self.starts += other.starts;
        self.disks_lost += other.disks_lost;
        self.refused_disks += other.refused_disks;
        self.transactions += other.transactions;
        self.compactions += other.compactions;
        self.lease_expiries += other.lease_expiries;
        self.watch_resumes += other.watch_resumes;
    }
}

/// Counts while a world lives.
#[derive(Default)]
pub struct Counting {
    terms: BTreeSet<(u32, u64)>,
    memberships: BTreeSet<LogId>,
    purges: BTreeSet<LogId>,
    /// What each life of each machine counted itself: truncations, torn tails, snapshots.
    lives: BTreeMap<(usize, u64), [u64; 3]>,
}

impl Counting {
    /// Looks after a step.
    pub fn look(&mut self, world: &World) {
        for (n, status) in world.news() {
            let log = &status.log;
            if log.role == Role::Leader {
                self.terms.insert((log.incarnation, log.term));
            }
            self.memberships.extend(log.membership_at);
            self.purges.extend(log.purged);
            let counted = [
                log.counters.truncations,
                log.counters.torn_tails_cut,
                log.counters.snapshots_installed,
            ];
            self.lives.insert((*n, world.lives(*n)), counted);
        }
    }

    /// What it comes to.
    pub fn finish(&self, stage: &Stage, judged: Judged) -> Coverage {
        let (world, history) = (&stage.world, stage.clients.history());
        let sum = |which: usize| self.lives.values().filter_map(|life| life.get(which)).sum();
        let operations = history.operations();
        let count = |of: &dyn Fn(Option<Answer>) -> bool| {
            operations.iter().filter(|o| of(o.answer)).count() as u64
        };
        let machines = || 0..world.size();
        let of_etcd = |is: fn(&etcd::Operation) -> bool| {
            let operations = stage.etcd.operations().iter();
            operations.filter(|operation| is(operation)).count() as u64
        };
        let resumed = |leg: &&etcd::Leg| leg.resumes && leg.next() > leg.start;
        Coverage {
            operations: operations.len() as u64,
            answered: count(&|answer| {
                matches!(answer, Some(Answer::Wrote { .. } | Answer::Read(_)))
            }),
            unknown: count(&|answer| matches!(answer, None | Some(Answer::Unknown))),
            repeated: history.repeated(),
            elections: self.terms.len() as u64,
            membership_changes: self.memberships.len() as u64,
            truncations: sum(0),
            torn_tails: sum(1),
            snapshots_installed: sum(2),
            purges: self.purges.len() as u64,
            starts: machines().map(|n| world.lives(n)).sum(),
            disks_lost: machines().map(|n| world.disks(n)).sum(),
            refused_disks: stage.hands.refused(),
            transactions: of_etcd(is_transaction),
            compactions: of_etcd(|operation| {
                matches!(
                    (&operation.ask, &operation.said),
                    (Ask::Compact(_), Said::Done(_))
                )
            }),
            lease_expiries: judged.expiries,
            watch_resumes: stage.watchers.legs().iter().filter(resumed).count() as u64,
        }
    }
}

fn is_transaction(operation: &etcd::Operation) -> bool {
    matches!(&operation.said, Said::Step(Response::ResponseTxn(_)))
}
