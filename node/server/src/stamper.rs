//! What a leader gives an entry before it is proposed: time and chance; and when a member takes none.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use node_engines::{Entry, Proposal, Reader, Stamp};
use node_host::Host;
use node_replication::{Rejected, Stamper};

use crate::questions::Answers;
use crate::reserve::Reserve;

/// Why a leader took a proposal for no entry. Nothing entered the log. The numbers are a format between nodes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NotStamped {
    /// The leader's disk is nearly full.
    DiskFull,
    /// The proposal cannot be read: damaged, or from a newer program.
    Unreadable(String),
}

const DISK_FULL: u8 = 1;
const UNREADABLE: u8 = 2;

impl NotStamped {
    fn encode(&self) -> Rejected {
        let (tag, text) = match self {
            NotStamped::DiskFull => (DISK_FULL, ""),
            NotStamped::Unreadable(why) => (UNREADABLE, why.as_str()),
        };
        let mut bytes = Vec::with_capacity(1 + text.len());
        bytes.push(tag);
        bytes.extend_from_slice(text.as_bytes());
        Rejected(bytes.into())
    }

    /// Reads what another node's stamper said.
    pub fn decode(rejected: &Rejected) -> NotStamped {
        match rejected.0.split_first() {
            Some((&DISK_FULL, _)) => NotStamped::DiskFull,
            Some((&UNREADABLE, text)) => {
                NotStamped::Unreadable(String::from_utf8_lossy(text).into_owned())
            }
            _ => NotStamped::Unreadable("the leader gave a reason of a newer program".to_owned()),
        }
    }
}

/// Stamps so far ahead of the wall clock are worth a warning: what follows them (request ids, later expiry) is late.
const AHEAD_MILLIS_MAX: u64 = 60_000;

/// The hybrid logical clock of this node: follows the wall clock and what was applied, whoever stamped it; it never goes back,
/// and never gives one time twice.
pub struct LeaderStamper {
    host: Host,
    reserve: Arc<Reserve>,
    applied: Reader,
    answers: Answers,
    last: Mutex<Last>,
}

#[derive(Default)]
struct Last {
    time: (u64, u32),
    /// It was said that the time is far ahead of the wall clock.
    warned: bool,
}

impl LeaderStamper {
    /// A clock that goes on from what is applied; questions are answered by `answers`.
    pub fn new(
        host: Host,
        reserve: Arc<Reserve>,
        applied: Reader,
        answers: Answers,
    ) -> LeaderStamper {
        LeaderStamper {
            host,
            reserve,
            applied,
            answers,
            last: Mutex::default(),
        }
    }

    fn draw(&self) -> Stamp {
        let wall = self.host.clock.wall().0;
        let seed = self.host.random.u64();
        let applied = self.applied.stamp();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        last.time = next(last.time.max((applied.millis, applied.logical)), wall);
        let (millis, logical) = last.time;
        let ahead = ahead_millis(millis, wall) > AHEAD_MILLIS_MAX;
        if ahead && !last.warned {
            let seconds = ahead_millis(millis, wall) / 1000;
            tracing::warn!(
                seconds,
                "the cluster's time is ahead of this node's wall clock: a leader's clock was or is wrong"
            );
        }
        last.warned = ahead;
        Stamp {
            millis,
            logical,
            seed,
        }
    }
}

/// How far a stamp is ahead of the wall clock; 0 where it is not.
pub fn ahead_millis(millis: u64, wall: u64) -> u64 {
    millis.saturating_sub(wall)
}

/// The time after `last`, at `wall` if that is later.
fn next((millis, logical): (u64, u32), wall: u64) -> (u64, u32) {
    if wall > millis {
        return (wall, 0);
    }
    match logical.checked_add(1) {
        Some(logical) => (millis, logical),
        None => (millis + 1, 0),
    }
}

impl Stamper for LeaderStamper {
    fn stamp(&self, proposal: &[u8]) -> Result<Bytes, Rejected> {
        self.reserve.let_in(proposal.len() as u64);
        if self.reserve.is_full() {
            return Err(NotStamped::DiskFull.encode());
        }
        let proposal = Proposal::decode(&Bytes::copy_from_slice(proposal))
            .map_err(|error| NotStamped::Unreadable(error.to_string()).encode())?;
        Ok(Entry::stamped(proposal, self.draw()).encode())
    }

    fn has_room(&self, bytes: u64) -> bool {
        self.reserve.has_room(bytes)
    }

    fn answer(&self, term: u64, question: &[u8]) -> Bytes {
        self.answers.answer(term, question)
    }
}

#[cfg(test)]
mod tests {
    use node_engines::{Change, Engines, LogId};
    use node_storage::Memory;

    use super::*;
    use crate::config::Limits;
    use crate::leases::Leases;

    /// Entries stamped by another leader an hour from now were applied here.
    #[test]
    fn a_new_leader_goes_on_from_what_was_applied_and_gives_no_time_twice() {
        let host = Host::real();
        let reserve = Reserve::new(host.clone(), ".".into(), &Limits::default());
        let mut engines = Engines::open(Arc::new(Memory::new())).unwrap();
        let answers = Answers {
            leases: Arc::new(Leases::new(host.clone(), engines.reader())),
            levels: Arc::default(),
        };
        let stamper =
            LeaderStamper::new(host.clone(), Arc::new(reserve), engines.reader(), answers);
        let before = stamper.draw();
        let elsewhere = Stamp {
            millis: before.millis + 3_600_000,
            logical: 7,
            seed: 0,
        };
        let proposal = Proposal {
            request: None,
            commands: Vec::new(),
        };
        let at = LogId {
            term: 1,
            leader: 1,
            index: 0,
        };
        let entry = Entry::stamped(proposal, elsewhere).encode();
        engines.apply(vec![(at, Change::Command(entry))]).unwrap();
        assert_eq!(engines.reader().stamp(), elsewhere);

        let mut last = (elsewhere.millis, elsewhere.logical);
        for _ in 0..3 {
            let drawn = stamper.draw();
            assert!(
                (drawn.millis, drawn.logical) > last,
                "{drawn:?} after {last:?}"
            );
            last = (drawn.millis, drawn.logical);
        }
        let wall = host.clock.wall().0;
        assert!(ahead_millis(last.0, wall) > AHEAD_MILLIS_MAX);
        assert_eq!(ahead_millis(wall, wall + 5), 0);
    }

    #[test]
    fn time_goes_on_when_the_wall_clock_stands_or_jumps_back() {
        assert_eq!(next((5, 3), 6), (6, 0));
        assert_eq!(next((5, 3), 5), (5, 4));
        assert_eq!(next((5, 3), 1), (5, 4));
        assert_eq!(next((5, u32::MAX), 1), (6, 0));
    }

    #[test]
    fn a_leaders_reason_reads_back() {
        for reason in [
            NotStamped::DiskFull,
            NotStamped::Unreadable("why".to_owned()),
        ] {
            assert_eq!(NotStamped::decode(&reason.encode()), reason);
        }
        let newer = NotStamped::decode(&Rejected(Bytes::from_static(&[9])));
        assert!(matches!(newer, NotStamped::Unreadable(_)));
    }
}
