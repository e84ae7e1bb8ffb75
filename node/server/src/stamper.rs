//! What a leader gives an entry before it is proposed: time and chance; and when a member takes none.

use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use node_engines::{Entry, Proposal, Stamp};
use node_host::Host;
use node_replication::{Rejected, Stamper};

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

/// The hybrid logical clock of this node: follows the wall clock, never goes back, and never gives one time twice.
pub struct LeaderStamper {
    host: Host,
    reserve: Arc<Reserve>,
    last: Mutex<(u64, u32)>,
}

impl LeaderStamper {
    /// A clock that has given no time yet.
    pub fn new(host: Host, reserve: Arc<Reserve>) -> LeaderStamper {
        LeaderStamper {
            host,
            reserve,
            last: Mutex::default(),
        }
    }

    fn draw(&self) -> Stamp {
        let wall = self.host.clock.wall().0;
        let seed = self.host.random.u64();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        *last = next(*last, wall);
        let (millis, logical) = *last;
        Stamp {
            millis,
            logical,
            seed,
        }
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;

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
