//! Whether writes commit, as this node sees it: by the entries of others and, on a leader, by one of its own where there are
//! none. A follower hears of that one too, so that it contradicts a leader whose word no longer gets through.
//!
//! A leader that saw no entry committed for [`IDLE`] proposes a canary, an entry that changes nothing, by the same way as
//! every write: the reserve of the disk may refuse it, and it takes a majority's disks. What this does not do: it moves no
//! leadership and stops no writer, it only tells.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use node_engines::{Command, Proposal, system};
use node_replication::{LogId, Role};
use tokio::sync::watch;

use crate::errors::Failure;
use crate::node::Node;

/// Without an entry for so long the leader proposes one of its own.
const IDLE: Duration = Duration::from_secs(10);
/// So long after that some entry must have been committed; and so long again until every follower has heard of it.
const WITHIN: Duration = Duration::from_secs(5);
/// Time between the end of a canary and the next one.
const AGAIN_AFTER: Duration = Duration::from_secs(2);

/// What is known, and what was done to know it.
#[derive(Debug)]
pub struct Commits {
    verdict: watch::Sender<Option<bool>>,
    made: AtomicU64,
    failed: AtomicU64,
}

impl Default for Commits {
    fn default() -> Commits {
        Commits {
            verdict: watch::Sender::new(None),
            made: AtomicU64::new(0),
            failed: AtomicU64::new(0),
        }
    }
}

impl Commits {
    /// Whether writes commit; `None` where the cluster is not open, or nothing is known yet.
    pub fn verdict(&self) -> Option<bool> {
        *self.verdict.borrow()
    }

    /// Tells of changes of the verdict.
    pub fn watch(&self) -> watch::Receiver<Option<bool>> {
        self.verdict.subscribe()
    }

    /// Canaries that were proposed, and those of them that failed.
    pub fn canaries(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.made), count(&self.failed))
    }

    fn tell(&self, verdict: Option<bool>) {
        let before = self.verdict.send_replace(verdict);
        match (before, verdict) {
            (Some(false), Some(true)) => tracing::info!("writes commit again"),
            (Some(true) | None, Some(false)) => {
                tracing::warn!("no write was committed of late");
            }
            _ => {}
        }
    }
}

/// Watches the log and judges, for as long as the node lives.
pub async fn watch(node: &Node) {
    let commits = node.commits();
    let mut log = node.watch();
    let mut judge = Judge::default();
    let mut canary = None;
    loop {
        let sight = {
            let log = log.borrow_and_update();
            node.reader().open().then_some(Sight {
                leads: (log.role == Role::Leader).then_some(log.term),
                committed: log.committed,
            })
        };
        let now = node.host().clock.monotonic();
        commits.tell(judge.look(now, sight));
        if canary.is_none()
            && let Some(attempt) = judge.begin(now)
        {
            commits.made.fetch_add(1, Ordering::Relaxed);
            canary = Some((attempt, Box::pin(propose(node))));
        }
        let (attempt, outcome) = tokio::select! {
            biased;
            changed = log.changed() => match changed {
                Ok(()) => continue,
                Err(_) => return,
            },
            ended = ended(&mut canary) => ended,
            () = tokio::time::sleep(judge.wake().saturating_sub(now)) => continue,
        };
        canary = None;
        if let Err(failure) = &outcome {
            commits.failed.fetch_add(1, Ordering::Relaxed);
            tracing::debug!(%failure, "a canary failed");
        }
        judge.end(node.host().clock.monotonic(), attempt, outcome.is_ok());
    }
}

async fn propose(node: &Node) -> Result<(), Failure> {
    let proposal = Proposal {
        request: None,
        commands: vec![Command::System(system::Command::Noop)],
    };
    node.propose(proposal).await.map(|_| ())
}

/// Waits for the canary under way; for ever if there is none.
async fn ended<F: Future + Unpin>(canary: &mut Option<(Attempt, F)>) -> (Attempt, F::Output) {
    match canary {
        Some((attempt, outcome)) => (*attempt, outcome.await),
        None => std::future::pending().await,
    }
}

/// What a node of an open cluster sees of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sight {
    /// The term in which it leads, if it does.
    leads: Option<u64>,
    /// The last entry that it knows to be committed.
    committed: Option<LogId>,
}

/// What a node has seen since it leads, or no longer does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Seen {
    sight: Sight,
    /// When that was new; in the beginning, since when it leads or no longer does.
    since: Duration,
    /// An entry was committed meanwhile.
    proven: bool,
    /// A canary failed since then.
    failed: bool,
    /// No canary before.
    next: Duration,
}

impl Seen {
    /// The last moment at which its silence means nothing.
    fn patience(&self) -> Duration {
        let heard = match self.sight.leads {
            Some(_) => Duration::ZERO,
            None => WITHIN,
        };
        self.since + IDLE + WITHIN + heard
    }
}

/// A canary, and what the leader had seen when it was proposed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Attempt(Seen);

/// Judges by what it is shown. Pure: time comes in with the call.
#[derive(Debug, Default)]
struct Judge {
    seen: Option<Seen>,
    now: Duration,
}

impl Judge {
    /// The verdict at `now` of a node of an open cluster.
    fn look(&mut self, now: Duration, sight: Option<Sight>) -> Option<bool> {
        self.now = now;
        let Some(sight) = sight else {
            self.seen = None;
            return None;
        };
        let known = self.seen.filter(|seen| seen.sight.leads == sight.leads);
        let seen = match known.filter(|seen| seen.sight == sight) {
            Some(seen) => seen,
            None => Seen {
                sight,
                since: now,
                // What was committed before its own term proves nothing about this leader.
                proven: match sight.leads {
                    Some(term) => sight.committed.is_some_and(|id| id.term == term),
                    None => known.is_some(),
                },
                failed: false,
                next: now + IDLE,
            },
        };
        self.seen = Some(seen);
        match seen.failed || now >= seen.patience() {
            true => Some(false),
            false => seen.proven.then_some(true),
        }
    }

    /// A canary, if one is due: on a leader.
    fn begin(&self, now: Duration) -> Option<Attempt> {
        let due = |seen: &Seen| seen.sight.leads.is_some() && seen.next <= now;
        self.seen.filter(due).map(Attempt)
    }

    /// A canary ended. One that failed says nothing if an entry was committed meanwhile, or the term is another.
    fn end(&mut self, now: Duration, attempt: Attempt, succeeded: bool) {
        if let Some(seen) = &mut self.seen {
            let Attempt(then) = attempt;
            let same = (seen.sight.leads, seen.since) == (then.sight.leads, then.since);
            seen.failed |= !succeeded && same;
            seen.next = seen.next.max(now + AGAIN_AFTER);
        }
    }

    /// When to look again though nothing happened.
    fn wake(&self) -> Duration {
        let later = self.now + IDLE;
        let Some(seen) = self.seen else { return later };
        let moments = [seen.next, seen.patience()];
        let ahead = moments.into_iter().filter(|moment| *moment > self.now);
        ahead.min().unwrap_or(later)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    /// A leader of term 2 that has committed this index, in its own term.
    fn leading(index: u64) -> Option<Sight> {
        committed(2, index)
    }

    fn committed(entry_term: u64, index: u64) -> Option<Sight> {
        let id = LogId {
            term: entry_term,
            leader: 1,
            index,
        };
        Some(Sight {
            leads: Some(2),
            committed: Some(id),
        })
    }

    /// A follower that knows this index to be committed.
    fn following(index: u64) -> Option<Sight> {
        let leading = committed(2, index).unwrap();
        Some(Sight {
            leads: None,
            ..leading
        })
    }

    #[test]
    fn nobody_has_a_verdict_before_a_cluster_is_open_and_a_leader_none_of_earlier_terms() {
        let mut judge = Judge::default();
        assert_eq!(judge.look(at(0), None), None);
        assert_eq!(judge.begin(at(100)), None);
        // An entry of an earlier term is not its own doing.
        assert_eq!(judge.look(at(1), committed(1, 5)), None);
        assert_eq!(judge.look(at(2), committed(2, 6)), Some(true));
        assert_eq!(judge.look(at(3), None), None);
    }

    #[test]
    fn a_follower_hears_of_entries_makes_none_and_calls_twenty_seconds_of_silence_false() {
        let mut judge = Judge::default();
        // What it found is not what it heard of.
        assert_eq!(judge.look(at(0), following(1)), None);
        assert_eq!(judge.look(at(1), following(2)), Some(true));
        assert_eq!(judge.look(at(20), following(2)), Some(true));
        assert_eq!(judge.begin(at(20)), None);
        assert_eq!(judge.wake(), at(21));
        assert_eq!(judge.look(at(21), following(2)), Some(false));
        assert_eq!(judge.look(at(22), following(3)), Some(true));
        // Another role, another view: until there is an entry, nothing is known.
        assert_eq!(judge.look(at(23), committed(1, 3)), None);
        assert_eq!(judge.look(at(24), following(3)), None);
        assert_eq!(judge.look(at(44), following(3)), Some(false));
    }

    #[test]
    fn an_idle_leader_makes_a_canary_every_ten_seconds_and_a_busy_one_none() {
        let mut judge = Judge::default();
        for second in 0..60 {
            assert_eq!(judge.look(at(second), leading(second)), Some(true));
            assert_eq!(judge.begin(at(second)), None, "busy at {second}");
        }
        let mut index = 59;
        let mut made = Vec::new();
        for second in 60..=100 {
            assert_eq!(judge.look(at(second), leading(index)), Some(true));
            if let Some(attempt) = judge.begin(at(second)) {
                made.push(second);
                index += 1;
                judge.end(at(second), attempt, true);
            }
        }
        assert_eq!(made, [69, 80, 91]);
    }

    #[test]
    fn silence_is_false_after_fifteen_seconds_and_true_with_the_next_entry() {
        let mut judge = Judge::default();
        assert_eq!(judge.look(at(0), leading(1)), Some(true));
        assert_eq!(judge.look(at(14), leading(1)), Some(true));
        assert_eq!(judge.wake(), at(15));
        assert_eq!(judge.look(at(15), leading(1)), Some(false));
        assert_eq!(judge.look(at(16), leading(2)), Some(true));
        // A leader that never commits anything is found out as well.
        let mut new = Judge::default();
        assert_eq!(new.look(at(0), committed(1, 1)), None);
        assert_eq!(new.wake(), at(10));
        assert_eq!(new.look(at(15), committed(1, 1)), Some(false));
    }

    #[test]
    fn a_refused_canary_is_false_at_once_and_another_follows() {
        let mut judge = Judge::default();
        judge.look(at(0), leading(1));
        judge.look(at(10), leading(1));
        let attempt = judge.begin(at(10)).unwrap();
        judge.end(at(10), attempt, false);
        assert_eq!(judge.look(at(10), leading(1)), Some(false));
        assert_eq!(judge.begin(at(11)), None);
        assert!(judge.begin(at(12)).is_some());
        assert_eq!(judge.look(at(12), leading(2)), Some(true));
    }

    #[test]
    fn a_late_failure_says_nothing_about_what_came_after() {
        let mut judge = Judge::default();
        judge.look(at(0), leading(1));
        let attempt = judge.begin(at(10)).unwrap();
        judge.look(at(11), leading(2));
        judge.end(at(12), attempt, false);
        assert_eq!(judge.look(at(12), leading(2)), Some(true));
    }
}
