//! Reads that see every write acknowledged before them: one confirmation serves all that wait for one.

use std::future::Future;

use futures::future::BoxFuture;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};
use openraft::{LinearizerOption, ReadPolicy};
use tokio::sync::{mpsc, oneshot, watch};

use crate::config::READ_LEASE;
use crate::contract::Proof;
use crate::errors::Unavailable;
use crate::ids::MemberId;
use crate::raft::config::Raft;
use crate::stop::stopped;

/// Reads that wait for the next confirmation; beyond it they are turned away.
const READS_WAITING_MAX: usize = 8192;

/// The index to read at.
pub type Confirmed = Result<u64, Unavailable>;
type Waiting = oneshot::Sender<Confirmed>;

/// Reads that wait to be confirmed, those with a lease apart: they wait for no majority. A clone is the same queues.
#[derive(Clone)]
pub struct Reads {
    majority: mpsc::Sender<Waiting>,
    lease: mpsc::Sender<Waiting>,
}

/// The receiving ends.
pub struct Queues {
    majority: mpsc::Receiver<Waiting>,
    lease: mpsc::Receiver<Waiting>,
}

impl Reads {
    /// Queues, and what their task reads from.
    pub fn new() -> (Reads, Queues) {
        let (majority, by_majority) = mpsc::channel(READS_WAITING_MAX);
        let (lease, by_lease) = mpsc::channel(READS_WAITING_MAX);
        let queues = Queues {
            majority: by_majority,
            lease: by_lease,
        };
        (Reads { majority, lease }, queues)
    }

    /// An index that covers every write acknowledged before the call, as far as `proof` goes.
    pub async fn confirm(&self, proof: Proof) -> Confirmed {
        let (sender, confirmed) = oneshot::channel();
        let turned_away = |reason: &str| Unavailable {
            reason: reason.to_owned(),
            leader: None,
        };
        let queue = match proof {
            Proof::Majority => &self.majority,
            Proof::Lease => &self.lease,
        };
        queue
            .try_send(sender)
            .map_err(|_| turned_away("too many reads are waiting"))?;
        confirmed
            .await
            .unwrap_or_else(|_| Err(turned_away("the node stopped")))
    }
}

impl Queues {
    /// Serves all that wait in a queue with one round of `confirm`, then those that came meanwhile, until `stop`.
    /// Calls `served` with the number of reads of each round.
    pub async fn drain(
        self,
        confirm: impl Fn(Proof) -> BoxFuture<'static, Confirmed>,
        served: impl Fn(u64),
        stop: watch::Receiver<bool>,
    ) {
        let majority = || confirm(Proof::Majority);
        let lease = || confirm(Proof::Lease);
        tokio::join!(
            drain(self.majority, majority, &served, stop.clone()),
            drain(self.lease, lease, &served, stop),
        );
    }
}

async fn drain(
    mut queue: mpsc::Receiver<Waiting>,
    confirm: impl Fn() -> BoxFuture<'static, Confirmed>,
    served: impl Fn(u64),
    mut stop: watch::Receiver<bool>,
) {
    let mut waiting = Vec::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => return,
            count = queue.recv_many(&mut waiting, READS_WAITING_MAX) => {
                if count == 0 {
                    return;
                }
            }
        }
        // Asked for after the last of them came.
        let confirmed = confirm().await;
        served(waiting.len() as u64);
        for reader in waiting.drain(..) {
            // The reader may have gone.
            let _ = reader.send(confirmed.clone());
        }
    }
}

/// What this node has applied, confirmed by nobody: two of the simulator's mistakes.
pub fn unconfirmed(raft: &Raft) -> Confirmed {
    let applied = raft.metrics().borrow_watched().last_applied;
    Ok(applied.map_or(0, |id| id.index()))
}

/// Makes sure that this node still leads, and gives the index to read at.
pub fn confirm_leading(
    raft: &Raft,
    proof: Proof,
) -> impl Future<Output = Confirmed> + Send + use<> {
    let raft = raft.clone();
    async move {
        if proof == Proof::Lease {
            let lease = LinearizerOption::new(Some(READ_LEASE), true);
            let index = read_index(&raft, lease).await?;
            // Where another member is the only voter it elects itself, whomever it followed a moment ago.
            if votes(&raft).await {
                return Ok(index);
            }
        }
        read_index(&raft, ReadPolicy::ReadIndex.into()).await
    }
}

async fn read_index(raft: &Raft, option: LinearizerOption) -> Confirmed {
    match raft.get_read_linearizer(option).await {
        Ok(linearizer) => Ok(linearizer.read_log_id().index()),
        Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
            let reason = "this member does not lead now".to_owned();
            Err(Unavailable {
                reason,
                leader: forward.leader_id.map(MemberId),
            })
        }
        // What the core says of it is for those who know its insides, and names keys of members.
        Err(RaftError::APIError(LinearizableReadError::QuorumNotEnough(_))) => Err(Unavailable {
            reason: "this member led, and does not reach a majority of the voters now".to_owned(),
            leader: None,
        }),
        Err(error) => Err(Unavailable {
            reason: error.to_string(),
            leader: None,
        }),
    }
}

/// Whether this member has a vote, by the last membership in its log.
async fn votes(raft: &Raft) -> bool {
    let me = *raft.node_id();
    let votes = raft.with_raft_state(move |state| {
        let mut voters = state.membership_state.effective().voter_ids();
        voters.any(|voter| voter == me)
    });
    votes.await.unwrap_or(false)
}
