//! Reads that see every write acknowledged before them: one confirmation serves all that wait for one.

use std::future::Future;

use futures::future::BoxFuture;
use openraft::ReadPolicy;
use openraft::async_runtime::WatchReceiver;
use openraft::errors::{LinearizableReadError, RaftError};
use tokio::sync::{mpsc, oneshot, watch};

use crate::errors::Unavailable;
use crate::ids::MemberId;
use crate::raft::config::Raft;
use crate::stop::stopped;

/// Reads that wait for the next confirmation; beyond it they are turned away.
const READS_WAITING_MAX: usize = 8192;

type Confirmed = Result<u64, Unavailable>;
type Waiting = oneshot::Sender<Confirmed>;

/// Reads that wait to be confirmed. A clone is the same queue.
#[derive(Clone)]
pub struct Reads(mpsc::Sender<Waiting>);

/// The receiving end.
pub struct Queue(mpsc::Receiver<Waiting>);

impl Reads {
    /// A queue, and what its task reads from.
    pub fn new() -> (Reads, Queue) {
        let (sender, receiver) = mpsc::channel(READS_WAITING_MAX);
        (Reads(sender), Queue(receiver))
    }

    /// An index that covers every write acknowledged before the call.
    pub async fn confirm(&self) -> Confirmed {
        let (sender, confirmed) = oneshot::channel();
        let turned_away = |reason: &str| Unavailable {
            reason: reason.to_owned(),
            leader: None,
        };
        self.0
            .try_send(sender)
            .map_err(|_| turned_away("too many reads are waiting"))?;
        confirmed
            .await
            .unwrap_or_else(|_| Err(turned_away("the node stopped")))
    }
}

impl Queue {
    /// Serves all that wait with one round of `confirm`, then those that came meanwhile, until `stop`.
    /// Calls `served` with the number of reads of each round.
    pub async fn drain(
        mut self,
        confirm: impl Fn() -> BoxFuture<'static, Confirmed>,
        served: impl Fn(u64),
        mut stop: watch::Receiver<bool>,
    ) {
        let mut waiting = Vec::new();
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => return,
                count = self.0.recv_many(&mut waiting, READS_WAITING_MAX) => {
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
}

/// What this node has applied, confirmed by nobody: two of the simulator's mistakes.
pub fn unconfirmed(raft: &Raft) -> Confirmed {
    let applied = raft.metrics().borrow_watched().last_applied;
    Ok(applied.map_or(0, |id| id.index()))
}

/// Asks a majority whether this node still leads, and for the index to read at.
pub fn confirm_leading(raft: &Raft) -> impl Future<Output = Confirmed> + Send + use<> {
    let raft = raft.clone();
    async move {
        match raft.get_read_linearizer(ReadPolicy::ReadIndex).await {
            Ok(linearizer) => Ok(linearizer.read_log_id().index()),
            Err(RaftError::APIError(LinearizableReadError::ForwardToLeader(forward))) => {
                let reason = "this member does not lead now".to_owned();
                Err(Unavailable {
                    reason,
                    leader: forward.leader_id.map(MemberId),
                })
            }
            Err(error) => Err(Unavailable {
                reason: error.to_string(),
                leader: None,
            }),
        }
    }
}
