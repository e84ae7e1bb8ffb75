//! What a member's owner asks the leader's: about things that the leader alone knows, and that are in no log.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use openraft::async_runtime::WatchReceiver;

use crate::contract::{Proof, Stamper};
use crate::errors::Unavailable;
use crate::peers::{Kind, LaneKind};
use crate::raft::config::Raft;
use crate::raft::leader::Leader;
use crate::raft::machine::MachineHandle;
use crate::raft::observer::Observer;
use crate::raft::reads::Reads;

/// A leader that has more to apply before it can answer turns a question down.
const APPLIED_WITHIN: Duration = Duration::from_secs(2);

/// Answers what this member is asked as the leader. A clone is the same.
#[derive(Clone)]
pub struct Questions {
    pub leading_reads: Reads,
    pub stamper: Arc<dyn Stamper>,
    pub raft: Raft,
    pub machine: MachineHandle,
}

impl Questions {
    /// The answer of this member's owner, if this member leads.
    pub async fn answer(&self, question: &[u8]) -> Result<Bytes, Unavailable> {
        // A term that begins after this was asked for is confirmed in vain, and counts as the one before.
        let term = self.raft.metrics().borrow_watched().current_term;
        let index = self.leading_reads.confirm(Proof::Lease).await?;
        // The owner answers of its state, which a new leader may not have whole yet.
        let mut applied = self.machine.applied();
        let there = applied.wait_for(|at| at.is_some_and(|at| at.index >= index));
        match tokio::time::timeout(APPLIED_WITHIN, there).await {
            Ok(Ok(_)) => Ok(self.stamper.answer(term, question)),
            Ok(Err(_)) | Err(_) => Err(Unavailable {
                reason: "the leader has not applied what it must know to answer".to_owned(),
                leader: None,
            }),
        }
    }

    /// The answer of the leader's owner, wherever that is.
    pub async fn ask(&self, observer: &Observer, question: Bytes) -> Result<Bytes, Unavailable> {
        let (leader, lane) = match observer.leader_by(LaneKind::Ask) {
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
