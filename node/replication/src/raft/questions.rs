//! What a member's owner asks the leader's: about things that the leader alone knows, and that are in no log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;

use crate::contract::{Proof, Stamper};
use crate::errors::Unavailable;
use crate::peers::Kind;
use crate::raft::config::Raft;
use crate::raft::leader::Leader;
use crate::raft::observer::Observer;
use crate::raft::reads::Reads;

/// Answers what this member is asked as the leader. A clone is the same.
#[derive(Clone)]
pub struct Questions {
    pub leading_reads: Reads,
    pub stamper: Arc<dyn Stamper>,
    pub raft: Raft,
}

impl Questions {
    /// The answer of this member's owner, if this member leads.
    pub async fn answer(&self, question: &[u8]) -> Result<Bytes, Unavailable> {
        // A term that begins after this was asked for is confirmed in vain, and counts as the one before.
        let term = self.raft.metrics().borrow_watched().current_term;
        self.leading_reads.confirm(Proof::Lease).await?;
        Ok(self.stamper.answer(term, question))
    }

    /// The answer of the leader's owner, wherever that is.
    pub async fn ask(&self, observer: &Observer, question: Bytes) -> Result<Bytes, Unavailable> {
        let (leader, lane) = match observer.leader() {
            Leader::Here => return self.answer(&question).await,
            Leader::None => {
                let reason = "no leader is known".to_owned();
                return Err(Unavailable {
                    reason,
                    leader: None,
                });
            }
            Leader::There(leader, lane) => (leader, lane),
        };
        let unavailable = |reason: String| Unavailable {
            reason,
            leader: Some(leader),
        };
        let call = lane.call(Kind::Ask, question);
        // Whoever waits for an answer keeps no stream open.
        drop(lane);
        let within = Duration::from_millis(2 * observer.timing.election_max_ms);
        tokio::time::timeout(within, call)
            .await
            .map_err(|_| unavailable(format!("no answer within {within:?}")))?
            .map_err(|error| unavailable(error.to_string()))
    }
}
