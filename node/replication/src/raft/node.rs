//! A running member: proposals and reads from anywhere, and its end.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use openraft::RaftMetrics;
use openraft::async_runtime::WatchReceiver;
use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio::time::Instant;

use crate::config::Config;
use crate::contract::Proof;
use crate::errors::{ProposeError, Unavailable};
use crate::ids::MemberId;
use crate::peers::{CallError, Kind};
use crate::raft::changes::Changes;
use crate::raft::config::C;
use crate::raft::leader::Leader;
use crate::raft::observer::Observer;
use crate::raft::outcome::{self, Outcome};
use crate::raft::proposals::Proposals;
use crate::raft::questions::Questions;
use crate::raft::reads::Reads;
use crate::stop::stopped;

/// A proposal that went out is waited for so long; then its outcome is unknown.
const OUTCOME_WITHIN: Duration = Duration::from_secs(10);
/// The largest proposal: with what the stamper adds it still fits a frame.
const PROPOSAL_BYTES_MAX: usize = 8 << 20;
/// Between two tries of what was surely not done.
const RETRY_AFTER: Duration = Duration::from_millis(10);
/// What was surely not done is tried again for so many of the longest election timeouts: an election fits into it.
const RETRY_ELECTIONS: u32 = 4;

/// A running member.
pub struct Node {
    config: Config,
    changes: Changes,
    proposals: Proposals,
    reads: Reads,
    questions: Questions,
    stop: watch::Sender<bool>,
    local_addr: String,
    tasks: Mutex<Vec<JoinHandle<()>>>,
    /// The data folder, until the end.
    lock: Mutex<Option<Box<dyn Send + Sync>>>,
}

/// The core's metrics, to look at and never to hold.
pub type MetricsReceiver = openraft::alias::WatchReceiverOf<C, RaftMetrics<C>>;

impl Node {
    pub fn new(
        config: Config,
        changes: Changes,
        proposals: Proposals,
        reads: Reads,
        questions: Questions,
        local_addr: String,
        lock: Box<dyn Send + Sync>,
    ) -> Node {
        Node {
            config,
            changes,
            proposals,
            reads,
            questions,
            stop: watch::Sender::new(false),
            local_addr,
            tasks: Mutex::default(),
            lock: Mutex::new(Some(lock)),
        }
    }

    pub fn set_tasks(&self, tasks: Vec<JoinHandle<()>>) {
        *self.tasks.lock().unwrap_or_else(PoisonError::into_inner) = tasks;
    }

    pub fn stopped(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    pub fn changes(&self) -> &Changes {
        &self.changes
    }

    pub fn observer(&self) -> &Arc<Observer> {
        &self.changes.observer
    }

    pub fn local_addr(&self) -> &str {
        &self.local_addr
    }

    /// This member, and the term that it is in.
    pub fn place(&self) -> (MemberId, u64) {
        let observer = self.observer();
        let term = observer.leading.borrow_watched().current_term;
        (MemberId(*observer.raft.node_id()), term)
    }

    fn retry_until(&self) -> Instant {
        let election_max = Duration::from_millis(self.config.timing.election_max_ms);
        Instant::now() + RETRY_ELECTIONS * election_max
    }

    fn is_stopped(&self) -> bool {
        *self.stop.borrow()
    }

    /// Proposes, wherever the leader is. What was surely not done is tried again for a while; anything else is not.
    pub async fn propose(&self, proposal: Bytes) -> Outcome {
        use std::sync::atomic::Ordering::Relaxed;
        let tally = &self.observer().tally;
        tally.proposals.fetch_add(1, Relaxed);
        if proposal.len() > PROPOSAL_BYTES_MAX {
            let reason = format!(
                "{} bytes are more than the most, {PROPOSAL_BYTES_MAX}",
                proposal.len()
            );
            return Err(ProposeError::Unavailable {
                reason,
                leader: None,
            });
        }
        let until = self.retry_until();
        loop {
            if self.is_stopped() {
                return Err(ProposeError::Stopped);
            }
            match self.propose_once(proposal.clone()).await {
                Err(ProposeError::Unavailable { .. }) if Instant::now() < until => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                outcome => {
                    if matches!(outcome, Err(ProposeError::Busy)) {
                        tally.busy.fetch_add(1, Relaxed);
                    }
                    return outcome;
                }
            }
        }
    }

    async fn propose_once(&self, proposal: Bytes) -> Outcome {
        let observer = self.observer();
        let unknown = |reason: String| Err(ProposeError::Unknown { reason });
        let late = || unknown(format!("no outcome within {OUTCOME_WITHIN:?}"));
        let leader = match observer.leader() {
            Leader::Here => {
                let submitted = self.proposals.submit(proposal);
                let outcome = tokio::time::timeout(OUTCOME_WITHIN, submitted).await;
                return outcome.unwrap_or_else(|_| late());
            }
            Leader::None => {
                let reason = "no leader is known".to_owned();
                return Err(ProposeError::Unavailable {
                    reason,
                    leader: None,
                });
            }
            Leader::There(leader, lane) => {
                observer
                    .tally
                    .forwarded
                    .fetch_add(1, std::sync::atomic::Ordering::Relaxed);
                (leader, lane)
            }
        };
        let (leader, lane) = leader;
        let unavailable = |reason: String| {
            Err(ProposeError::Unavailable {
                reason,
                leader: Some(leader),
            })
        };
        let call = lane.call(Kind::Propose, proposal);
        // Whoever waits for an answer keeps no stream open.
        drop(lane);
        match tokio::time::timeout(OUTCOME_WITHIN, call).await {
            Ok(Ok(body)) => match outcome::decode(body) {
                // The leader is going; another will come.
                Ok(Err(ProposeError::Stopped)) => unavailable("the leader is stopping".to_owned()),
                Ok(outcome) => outcome,
                Err(error) => unknown(error.to_string()),
            },
            Ok(Err(CallError::Unsent(why))) => unavailable(why),
            Ok(Err(error)) => unknown(error.to_string()),
            Err(_) => late(),
        }
    }

    /// An index, applied here, that covers every write acknowledged before the call, as far as `proof` goes.
    pub async fn linearize(&self, proof: Proof) -> Result<u64, Unavailable> {
        let until = self.retry_until();
        loop {
            let confirmed = match self.is_stopped() {
                true => Err(Unavailable {
                    reason: "the node has stopped".to_owned(),
                    leader: None,
                }),
                false => self.reads.confirm(proof).await,
            };
            match confirmed {
                Ok(index) => {
                    self.wait_applied(index, OUTCOME_WITHIN).await?;
                    return Ok(index);
                }
                Err(_) if Instant::now() < until && !self.is_stopped() => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    /// Asks the owner of whoever leads. Repeated for a while if there is no answer.
    pub async fn ask_leader(&self, question: Bytes) -> Result<Bytes, Unavailable> {
        let until = self.retry_until();
        loop {
            match self.questions.ask(self.observer(), question.clone()).await {
                Err(_) if Instant::now() < until && !self.is_stopped() => {
                    tokio::time::sleep(RETRY_AFTER).await;
                }
                answer => return answer,
            }
        }
    }

    /// Waits until `index` is applied here.
    pub async fn wait_applied(&self, index: u64, within: Duration) -> Result<(), Unavailable> {
        let machine = &self.observer().machine;
        let (mut applied, mut fatal) = (machine.applied(), machine.fatal());
        let mut stop = self.stopped();
        // The senders live as long as the machine's handle, which this node holds.
        let there = async {
            let _ = applied
                .wait_for(|at| at.is_some_and(|at| at.index >= index))
                .await;
        };
        let failed = async {
            let _ = fatal.wait_for(Option::is_some).await;
        };
        let reason = tokio::select! {
            biased;
            () = there => return Ok(()),
            () = failed => "the machine of this node has failed".to_owned(),
            () = stopped(&mut stop) => "the node has stopped".to_owned(),
            () = tokio::time::sleep(within) => format!("index {index} was not applied within {within:?}"),
        };
        Err(Unavailable {
            reason,
            leader: None,
        })
    }

    /// Ends everything this member does, and closes its log. Later calls hear that it has stopped.
    pub async fn shutdown(&self) {
        if self.stop.send_replace(true) {
            return;
        }
        if let Err(error) = self.changes.raft.shutdown().await {
            tracing::error!(%error, "the raft core died");
        }
        self.observer().pool.close();
        let tasks = std::mem::take(&mut *self.tasks.lock().unwrap_or_else(PoisonError::into_inner));
        for task in tasks {
            if let Err(error) = task.await {
                tracing::error!(%error, "a task of this member died");
            }
        }
        if let Err(error) = self.observer().wal.close().await {
            tracing::error!(%error, "failed to close the log");
        }
        drop(
            self.lock
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .take(),
        );
    }
}
