//! When leases end. Only the leader knows: it counts the time of each by its own monotonic clock, and proposes the end of those
//! whose time is over; every node keeps leases alive by asking it.
//!
//! A lease never ends early: a leader that is new, or that was asleep or without a majority, when nobody could keep any alive,
//! gives each the full time again, and an end that was found in one term is not carried out in another
//! ([`kv::Command::Expire`]). Within its term an end that was found stands: it may be in the log already. What this does not
//! do: it is in no log, so that a change of the leader may lengthen a lease by its whole time.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use node_engines::kv::{self, LeaseId};
use node_engines::{COMMANDS_PER_ENTRY_MAX, Command, Proposal, Reader};
use node_host::{Flaw, Host};
use node_replication::Role;

use crate::errors::Failure;
use crate::node::Node;
use crate::questions::{Left, Question};

/// Time between two looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);
/// After a longer time between two looks the process was asleep, and so may whoever keeps leases alive have been.
const ASLEEP: Duration = Duration::from_secs(1);

/// The times of the leases, on the leader.
pub struct Leases {
    host: Host,
    reader: Reader,
    times: Mutex<Times>,
}

/// When each lease ends unless it is kept alive, by the leader's clock.
#[derive(Default)]
struct Times {
    /// The term that they are counted in.
    term: u64,
    looked: Duration,
    /// By the name of the lease and the entry that granted it.
    ends: BTreeMap<(LeaseId, u64), End>,
    /// What was counted in an earlier term is not forgotten, which it must be.
    counts_on: bool,
}

/// When a lease ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    At(Duration),
    /// Its time is over, and its end may be on its way: nothing in this term gives it time again.
    Found,
}

impl Leases {
    /// No lease's time is counted yet.
    pub fn new(host: Host, reader: Reader) -> Leases {
        Leases {
            reader,
            times: Mutex::new(Times {
                counts_on: host.has(Flaw::ExpireByOldCount),
                ..Times::default()
            }),
            host,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Times> {
        // Nothing panics between two changes that belong together.
        self.times.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// On the leader of a term: tells of a lease, and keeps it alive if that is wanted. One whose time is over is as good as
    /// gone then: its end may be on its way.
    pub fn left(&self, term: u64, lease: LeaseId, keep_alive: bool) -> Option<Left> {
        let now = self.host.clock.monotonic();
        let leased = self.reader.lease(lease, false)?;
        let full = Duration::from_secs(leased.grant.ttl_seconds);
        let mut times = self.lock();
        times.begin(term, now);
        let end = times.ends.entry((lease, leased.grant.index));
        let end = end.or_insert(End::At(now + full));
        end.find(now);
        let left = match (*end, keep_alive) {
            (End::Found, true) => return None,
            (End::Found, false) => Duration::ZERO,
            (End::At(at), false) => at.saturating_sub(now),
            (End::At(_), true) => {
                *end = End::At(now + full);
                full
            }
        };
        Some(Left {
            granted_seconds: leased.grant.ttl_seconds,
            left,
        })
    }

    /// On the leader of a term: the leases whose time is over, with the first ones counted in it. All of them are known after.
    fn over(&self, term: u64) -> Vec<(LeaseId, u64)> {
        let leases = self.reader.leases();
        let now = self.host.clock.monotonic();
        let mut times = self.lock();
        times.begin(term, now);
        let known = leases
            .into_iter()
            .map(|(id, grant)| {
                let it = (id, grant.index);
                let full = End::At(now + Duration::from_secs(grant.ttl_seconds));
                let mut end = times.ends.get(&it).copied().unwrap_or(full);
                end.find(now);
                (it, end)
            })
            .collect();
        times.ends = known;
        let over = times.ends.iter().filter(|(_, end)| **end == End::Found);
        over.map(|(id, _)| *id).collect()
    }
}

impl End {
    /// Looks whether it has come.
    fn find(&mut self, now: Duration) {
        if matches!(self, End::At(at) if *at <= now) {
            *self = End::Found;
        }
    }
}

impl Times {
    /// Each lease whose time is not over has its full time again.
    fn begin_anew(&mut self) {
        self.ends.retain(|_, end| *end == End::Found);
    }

    /// Begins a look, or an answer: in another term nothing is known, and after a sleep everything is later.
    fn begin(&mut self, term: u64, now: Duration) {
        let passed = now.saturating_sub(self.looked);
        self.looked = now;
        if term > self.term {
            self.term = term;
            if !self.counts_on {
                self.ends.clear();
            }
        } else if passed > ASLEEP {
            for end in self.ends.values_mut() {
                if let End::At(at) = end {
                    *at += passed;
                }
            }
        }
    }
}

/// Ends leases whose time is over, for as long as the node lives.
pub async fn watch(node: &Node) {
    loop {
        tokio::time::sleep(LOOK_EVERY).await;
        let status = node.replication().status();
        if status.role != Role::Leader {
            continue;
        }
        if status.leaderless {
            node.leases().lock().begin_anew();
            continue;
        }
        let over = node.leases().over(status.term);
        for leases in over.chunks(COMMANDS_PER_ENTRY_MAX) {
            let unfenced = node.host().has(Flaw::ExpireUnfenced);
            let expire = |(lease, granted): &(LeaseId, u64)| {
                Command::Kv(match unfenced {
                    true => kv::Command::Revoke { lease: *lease },
                    false => kv::Command::Expire {
                        lease: *lease,
                        granted: *granted,
                        term: status.term,
                    },
                })
            };
            let proposal = Proposal {
                request: None,
                commands: leases.iter().map(expire).collect(),
            };
            if let Err(error) = node.propose(proposal).await {
                tracing::debug!(%error, "leases whose time is over were not ended; they are looked at again");
                break;
            }
        }
    }
}

/// What any node may ask about leases.
impl Node {
    /// Keeps a lease alive: it has its full time again. Nothing where there is no such lease.
    pub async fn keep_alive(&self, lease: LeaseId) -> Result<Option<Left>, Failure> {
        if self.host().has(Flaw::KeepAliveUnasked) {
            let term = self.replication().place().1;
            return Ok(self.leases().left(term, lease, true));
        }
        self.ask_of_lease(Question::KeepAlive(lease)).await
    }

    /// The time that a lease has left. Nothing where there is no such lease.
    pub async fn time_left(&self, lease: LeaseId) -> Result<Option<Left>, Failure> {
        self.ask_of_lease(Question::TimeLeft(lease)).await
    }

    async fn ask_of_lease(&self, question: Question) -> Result<Option<Left>, Failure> {
        self.serves()?;
        let answer = self.replication().ask_leader(question.encode()).await;
        let answer = answer.map_err(|error| Failure::Unavailable {
            reason: error.reason,
        })?;
        Left::decode(&answer).ok_or_else(|| Failure::Unavailable {
            reason: "the leader does not know the question, or the answer is unreadable".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn another_term_or_a_sleep_makes_no_lease_end_earlier() {
        let (lease, second) = ((LeaseId(7), 1), Duration::from_secs(1));
        let mut times = Times::default();
        times.begin(1, second);
        times.ends.insert(lease, End::At(10 * second));
        times.begin(1, second + LOOK_EVERY);
        assert_eq!(times.ends[&lease], End::At(10 * second));
        times.begin(1, 61 * second + LOOK_EVERY);
        assert_eq!(
            times.ends[&lease],
            End::At(70 * second),
            "it slept a minute"
        );
        times.begin(2, 62 * second);
        assert!(times.ends.is_empty());
    }

    /// It may be in the log: a leader that was cut off told clients that their leases live, and then carried it out.
    #[test]
    fn an_end_that_was_found_stands_until_another_term() {
        let (lease, second) = ((LeaseId(7), 1), Duration::from_secs(1));
        let mut times = Times::default();
        times.begin(1, second);
        times.ends.insert(lease, End::At(second));
        times.ends.get_mut(&lease).unwrap().find(second);
        times.begin(1, 61 * second);
        times.begin_anew();
        assert_eq!(times.ends[&lease], End::Found);
        times.begin(2, 62 * second);
        assert!(times.ends.is_empty());
    }
}
