//! Proposals on the leader: a bounded queue, stamped in order by one task and given to the core many at a time.

use std::sync::Arc;

use bytes::Bytes;
use futures::StreamExt;
use openraft::errors::ClientWriteError;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot, watch};

use crate::config::Limits;
use crate::contract::Stamper;
use crate::errors::ProposeError;
use crate::ids::MemberId;
use crate::raft::config::{C, Command, Raft};
use crate::raft::convert;
use crate::raft::outcome::Outcome;
use crate::stop::stopped;

/// Proposals that go to the core as one message.
const BATCH_MAX: usize = 1024;
/// The largest entry: with the head of an append it still fits a frame.
const ENTRY_BYTES_MAX: usize = 12 << 20;
/// What a proposal takes beside its bytes.
const PROPOSAL_HEAD_BYTES: usize = 64;

struct Waiting {
    proposal: Bytes,
    answer: Answer,
}

/// Who waits for an outcome; the room it takes is given back with it.
struct Answer {
    sender: oneshot::Sender<Outcome>,
    _room: (OwnedSemaphorePermit, OwnedSemaphorePermit),
}

impl Answer {
    fn send(self, outcome: Outcome) {
        // The caller may have gone; the entry goes its way all the same.
        let _ = self.sender.send(outcome);
    }
}

/// The queue of proposals of this node. A clone is the same queue.
#[derive(Clone)]
pub struct Proposals {
    queue: mpsc::Sender<Waiting>,
    count: Arc<Semaphore>,
    bytes: Arc<Semaphore>,
    bytes_max: usize,
}

impl Proposals {
    /// A queue, and what its task reads from.
    pub fn new(limits: &Limits) -> (Proposals, Queue) {
        let (queue, waiting) = mpsc::channel(limits.proposals_max);
        let proposals = Proposals {
            queue,
            count: Arc::new(Semaphore::new(limits.proposals_max)),
            bytes: Arc::new(Semaphore::new(limits.proposal_bytes_max)),
            bytes_max: limits.proposal_bytes_max,
        };
        (proposals, Queue(waiting))
    }

    /// Puts a proposal into the log if this node leads, and waits for the machine's reply.
    /// It takes its place in the order of proposals when first polled.
    pub async fn submit(&self, proposal: Bytes) -> Outcome {
        let bytes = (proposal.len() + PROPOSAL_HEAD_BYTES).min(self.bytes_max);
        let bytes = u32::try_from(bytes).map_err(|_| ProposeError::Busy)?;
        let count = self
            .count
            .clone()
            .try_acquire_owned()
            .map_err(|_| ProposeError::Busy)?;
        let room = self
            .bytes
            .clone()
            .try_acquire_many_owned(bytes)
            .map_err(|_| ProposeError::Busy)?;
        let (sender, answered) = oneshot::channel();
        let answer = Answer {
            sender,
            _room: (count, room),
        };
        match self.queue.try_send(Waiting { proposal, answer }) {
            Ok(()) => {}
            Err(mpsc::error::TrySendError::Full(_)) => return Err(ProposeError::Busy),
            Err(mpsc::error::TrySendError::Closed(_)) => return Err(ProposeError::Stopped),
        }
        let lost = || {
            Err(ProposeError::Unknown {
                reason: "the node stopped".to_owned(),
            })
        };
        answered.await.unwrap_or_else(|_| lost())
    }
}

/// The receiving end of the queue.
pub struct Queue(mpsc::Receiver<Waiting>);

impl Queue {
    /// Stamps and proposes what comes, until `stop` or the end of the core.
    pub async fn drain(
        mut self,
        raft: Raft,
        stamper: Arc<dyn Stamper>,
        mut stop: watch::Receiver<bool>,
    ) {
        let mut batch = Vec::with_capacity(BATCH_MAX);
        loop {
            tokio::select! {
                biased;
                () = stopped(&mut stop) => break,
                count = self.0.recv_many(&mut batch, BATCH_MAX) => if count == 0 { break },
            }
            propose(&raft, &*stamper, batch.drain(..)).await;
        }
        self.0.close();
        while let Some(waiting) = self.0.recv().await {
            waiting.answer.send(Err(ProposeError::Stopped));
        }
    }
}

async fn propose(raft: &Raft, stamper: &dyn Stamper, batch: impl Iterator<Item = Waiting>) {
    let (mut entries, mut answers) = (Vec::new(), Vec::new());
    for Waiting { proposal, answer } in batch {
        match stamper.stamp(&proposal) {
            Ok(entry) if entry.len() > ENTRY_BYTES_MAX => {
                let reason = format!("the entry would take {} bytes", entry.len());
                answer.send(Err(ProposeError::Unavailable {
                    reason,
                    leader: None,
                }));
            }
            Ok(entry) => {
                entries.push(Command(entry));
                answers.push(answer);
            }
            Err(rejected) => answer.send(Err(ProposeError::Rejected(rejected))),
        }
    }
    if entries.is_empty() {
        return;
    }
    let Ok(results) = raft.client_write_many(entries).await else {
        // The core took nothing.
        return answers
            .into_iter()
            .for_each(|answer| answer.send(Err(ProposeError::Stopped)));
    };
    // A core that stops ends the stream early, with answers left to give.
    let mut results = results.fuse();
    // Bounded by the room that each answer holds.
    tokio::spawn(async move {
        for answer in answers {
            let outcome = match results.next().await {
                Some(Ok(Ok(written))) => Ok((convert::log_id(&written.log_id), written.response)),
                Some(Ok(Err(error))) => Err(not_written(error)),
                // The core stopped with the entry in its hands.
                Some(Err(_)) | None => Err(ProposeError::Unknown {
                    reason: "the node stopped".to_owned(),
                }),
            };
            answer.send(outcome);
        }
    });
}

fn not_written(error: ClientWriteError<C>) -> ProposeError {
    match error {
        // Turned down before it was appended.
        ClientWriteError::ForwardToLeader(forward) => ProposeError::Unavailable {
            reason: "this member does not lead now".to_owned(),
            leader: forward.leader_id.map(MemberId),
        },
        ClientWriteError::PreconditionFailed(error) => ProposeError::Unavailable {
            reason: error.to_string(),
            leader: None,
        },
        // Appended, then discarded for another leader's log, which may have it too.
        error @ (ClientWriteError::LogEntryDiscarded(_)
        | ClientWriteError::ChangeMembershipError(_)) => ProposeError::Unknown {
            reason: error.to_string(),
        },
    }
}
