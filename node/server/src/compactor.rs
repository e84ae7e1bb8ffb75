//! Compacts by itself what is old enough, where the config asks for it, with the meaning that etcd gives to its flags of the same
//! names.
//!
//! The leader does it, through the log, by its own monotonic clock. It gives up only what it has itself seen to be so old: a
//! new leader observes anew, so that a change of the leader lets the history grow longer, never shorter. What this does not
//! do: it bounds no memory ([`crate::history`] does, with or without this).

use std::collections::VecDeque;
use std::time::Duration;

use node_engines::kv::{self, Revision};
use node_engines::{History, Proposal, Rejection};
use node_replication::Role;

use crate::access::by_the_cluster;
use crate::config::AutoCompaction;
use crate::errors::Failure;
use crate::node::Node;

/// Time between two compactions at most, where only what is older is given up.
const PERIOD_BETWEEN_MAX: Duration = Duration::from_secs(60 * 60);
/// How many looks there are in the time between two compactions.
const LOOKS_PER_PERIOD: u32 = 10;
/// Time between two compactions that keep a number of revisions.
const REVISIONS_EVERY: Duration = Duration::from_secs(5 * 60);

/// Compacts for as long as the node lives, if that is wanted.
pub async fn watch(node: &Node) {
    let Some(mode) = node.limits().auto_compaction else {
        return;
    };
    let mut observed = Observed::default();
    loop {
        tokio::time::sleep(mode.look_every()).await;
        let status = node.replication().status();
        if status.role != Role::Leader {
            observed = Observed::default();
            continue;
        }
        let now = node.host().clock.monotonic();
        let history = node.reader().history();
        let Some(revision) = observed.look(mode, status.term, now, &history) else {
            continue;
        };
        match compact(node, revision).await {
            Ok(()) => observed.compacted(now),
            Err(error) => {
                tracing::warn!(%error, %revision, "the history was not compacted; it is tried again");
            }
        }
    }
}

async fn compact(node: &Node, revision: Revision) -> Result<(), Failure> {
    let proposal = Proposal {
        request: None,
        commands: by_the_cluster(kv::Command::Compact { revision }),
    };
    match node.propose(proposal).await {
        Ok(_) => {
            tracing::info!(%revision, "the history was compacted, as the config asks for");
            Ok(())
        }
        // Someone else did it meanwhile.
        Err(Failure::Rejected(Rejection::Compacted)) => Ok(()),
        Err(error) => Err(error),
    }
}

impl AutoCompaction {
    /// Time between two compactions.
    fn every(self) -> Duration {
        match self {
            AutoCompaction::Periodic(period) => period.min(PERIOD_BETWEEN_MAX),
            AutoCompaction::Revisions(_) => REVISIONS_EVERY,
        }
    }

    /// Time between two looks.
    fn look_every(self) -> Duration {
        self.every() / LOOKS_PER_PERIOD
    }
}

/// What a leader has seen in its term.
#[derive(Debug, Default)]
struct Observed {
    term: u64,
    /// When it last compacted, or began to look.
    since: Duration,
    /// The last revision at each look, as far back as is needed.
    revisions: VecDeque<(Duration, Revision)>,
}

impl Observed {
    /// Looks; gives the revision to compact at, if it is time.
    fn look(
        &mut self,
        mode: AutoCompaction,
        term: u64,
        now: Duration,
        history: &History,
    ) -> Option<Revision> {
        if term != self.term {
            *self = Observed {
                term,
                since: now,
                revisions: VecDeque::new(),
            };
        }
        let wanted = match mode {
            AutoCompaction::Periodic(period) => self.before(period, now, history.last),
            AutoCompaction::Revisions(kept) => history.last.0.checked_sub(kept).map(Revision),
        };
        let due = now.saturating_sub(self.since) >= mode.every();
        wanted.filter(|revision| due && *revision > history.compacted)
    }

    /// The last revision of a moment that is surely so long ago.
    fn before(&mut self, period: Duration, now: Duration, last: Revision) -> Option<Revision> {
        self.revisions.push_back((now, last));
        let is_old = |(at, _): &&(Duration, Revision)| now.saturating_sub(*at) >= period;
        // Of those that are old enough the latest is needed, and none before it.
        while self.revisions.get(1).as_ref().is_some_and(is_old) {
            self.revisions.pop_front();
        }
        let oldest = self.revisions.front().filter(is_old);
        oldest.map(|(_, revision)| *revision)
    }

    fn compacted(&mut self, now: Duration) {
        self.since = now;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MINUTE: Duration = Duration::from_secs(60);

    /// What is compacted in each minute of a leader whose keys have as many revisions as it looked minutes ago for the first
    /// time, times ten; with each compaction done.
    fn compactions(
        observed: &mut Observed,
        term: u64,
        mode: AutoCompaction,
        minutes: u32,
    ) -> Vec<(u32, u64)> {
        let mut compacted = Revision(0);
        let look = |minute: u32| {
            let now = 1000 * MINUTE + minute * MINUTE;
            let history = History {
                compacted,
                last: Revision(10 * u64::from(minute)),
                bytes: 0,
                sweepable: 0,
            };
            let revision = observed.look(mode, term, now, &history)?;
            observed.compacted(now);
            compacted = revision;
            Some((minute, revision.0))
        };
        (0..minutes).filter_map(look).collect()
    }

    #[test]
    fn what_is_older_than_the_period_goes_each_period_or_hour() {
        let mut observed = Observed::default();
        let ten = AutoCompaction::Periodic(10 * MINUTE);
        let found = compactions(&mut observed, 1, ten, 35);
        // At first nothing is known to be so old. Revision 0 is none.
        assert_eq!(found, [(11, 10), (21, 110), (31, 210)]);
        assert!(observed.revisions.len() < 15);

        let day = AutoCompaction::Periodic(24 * 60 * MINUTE);
        let found = compactions(&mut Observed::default(), 1, day, 1600);
        assert_eq!(found, [(1441, 10), (1501, 610), (1561, 1210)]);
    }

    #[test]
    fn so_many_revisions_are_kept_every_five_minutes() {
        let mode = AutoCompaction::Revisions(55);
        let found = compactions(&mut Observed::default(), 1, mode, 17);
        assert_eq!(found, [(6, 5), (11, 55), (16, 105)]);
        let found = compactions(
            &mut Observed::default(),
            1,
            AutoCompaction::Revisions(500),
            17,
        );
        assert_eq!(found, []);
    }

    #[test]
    fn a_new_term_observes_anew() {
        let mut observed = Observed::default();
        let ten = AutoCompaction::Periodic(10 * MINUTE);
        assert_eq!(compactions(&mut observed, 1, ten, 10), []);
        let found = compactions(&mut observed, 2, ten, 12);
        assert_eq!(found, [(11, 10)]);
        let five = AutoCompaction::Revisions(1);
        assert_eq!(compactions(&mut observed, 3, five, 5), []);
    }

    #[test]
    fn looks_are_a_tenth_of_the_time_between_compactions() {
        let every = |mode: AutoCompaction| (mode.every(), mode.look_every());
        let minute = AutoCompaction::Periodic(MINUTE);
        assert_eq!(every(minute), (MINUTE, MINUTE / 10));
        let day = AutoCompaction::Periodic(24 * 60 * MINUTE);
        assert_eq!(every(day), (60 * MINUTE, 6 * MINUTE));
    }
}
