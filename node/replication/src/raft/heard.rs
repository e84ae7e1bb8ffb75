//! When this member heard of a leader for the last time. The core keeps naming one that is long gone.

use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use openraft::{Instant as _, ServerState};
use tokio::time::Instant;

use crate::ids::MemberId;
use crate::raft::observer::{Metrics, Observer};

/// When the leader's last append, or heartbeat, was taken.
#[derive(Default)]
pub struct Heard(Mutex<Option<Instant>>);

impl Heard {
    /// It was taken now.
    pub fn note(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Instant::now());
    }

    fn lately(&self, within: Duration) -> bool {
        let heard = *self.0.lock().unwrap_or_else(PoisonError::into_inner);
        heard.is_some_and(|at| at.elapsed() < within)
    }
}

impl Observer {
    /// The leader, if it was heard of within a few election timeouts; this member itself as long as a majority answers it.
    pub fn living_leader(&self, metrics: &Metrics) -> Option<MemberId> {
        let within = Duration::from_millis(2 * self.timing.election_max_ms);
        let me = *self.raft.node_id();
        let leader = metrics.current_leader?;
        let lives = match leader == me {
            false => self.heard.lately(within),
            true if metrics.state != ServerState::Leader => false,
            true => {
                let alone = metrics.membership_config.voter_ids().all(|id| id == me);
                let acked = metrics.last_quorum_acked.as_ref();
                alone || acked.is_some_and(|at| at.elapsed() < within)
            }
        };
        lives.then_some(MemberId(leader))
    }
}
