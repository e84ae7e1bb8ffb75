//! Between the callers and the worker: the log in memory, and what has still to reach the disk.
//!
//! One lock covers both, so the order in memory is the order on disk. Nothing here blocks for longer than a copy of
//! ids takes. Callers are held back by bytes: see [`Shared::room`].

use std::collections::{BTreeMap, VecDeque};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard};

use node_host::File;
use tokio::sync::{Notify, oneshot, watch};

use super::errors::LogFailed;
use super::index::Index;
use super::limits::Limits;
use super::record::{Record, Vote};
use super::stats::Latest;
use crate::ids::LogId;

/// Called once, from the log's worker, when the records of an append are durable or surely will not be reported so.
pub(super) type Done = Box<dyn FnOnce(Result<(), LogFailed>) + Send>;

/// Something that the disk has still to hear of.
pub(super) enum Op {
    Append {
        records: Vec<Record>,
        done: Done,
    },
    Vote {
        vote: Vote,
        done: Done,
    },
    Truncate {
        after: Option<LogId>,
        done: Done,
    },
    /// `last` is the end of the log when it was purged.
    Purge {
        upto: LogId,
        last: Option<LogId>,
    },
    Close {
        done: Done,
    },
}

impl Op {
    fn bytes(&self) -> usize {
        match self {
            Op::Append { records, .. } => records
                .iter()
                .map(|record| record.payload.len() + size_of::<Record>())
                .sum(),
            Op::Vote { .. } | Op::Truncate { .. } | Op::Purge { .. } | Op::Close { .. } => {
                size_of::<Record>()
            }
        }
    }

    /// Tells the caller how it went; nobody waits for a purge.
    pub(super) fn finish(self, outcome: Result<(), LogFailed>) {
        match self {
            Op::Append { done, .. }
            | Op::Vote { done, .. }
            | Op::Truncate { done, .. }
            | Op::Close { done } => {
                done(outcome);
            }
            Op::Purge { .. } => {}
        }
    }
}

/// What the worker takes at once.
pub(super) struct Work {
    pub(super) ops: Vec<Op>,
    /// A committed mark that rides along.
    pub(super) committed: Option<LogId>,
    bytes: usize,
}

/// A segment that entries can be read from.
#[derive(Clone)]
pub(super) struct Readable {
    pub(super) file: Arc<dyn File>,
    pub(super) path: PathBuf,
}

/// Figures that the worker keeps.
#[derive(Debug, Default)]
pub(super) struct Figures {
    pub(super) syncs: Latest,
    pub(super) entries_written: u64,
    pub(super) bytes_written: u64,
    pub(super) bytes_on_disk: u64,
    pub(super) truncations: u64,
    pub(super) torn_tail_cut: bool,
}

pub(super) struct State {
    pub(super) index: Index,
    pub(super) segments: BTreeMap<u64, Readable>,
    pub(super) figures: Figures,
    pub(super) failed: Option<LogFailed>,
    queue: VecDeque<Op>,
    /// Of the queue and of what is being written.
    bytes: usize,
    committed: Option<LogId>,
    /// No caller is left.
    abandoned: bool,
}

pub(super) struct Shared {
    pub(super) limits: Limits,
    state: Mutex<State>,
    /// Wakes the worker.
    work: Notify,
    /// Wakes callers that wait for room.
    room: Notify,
    pub(super) durable: watch::Sender<Option<LogId>>,
}

impl Shared {
    pub(super) fn new(limits: Limits, index: Index, segments: BTreeMap<u64, Readable>) -> Shared {
        Shared {
            limits,
            durable: watch::Sender::new(index.last()),
            state: Mutex::new(State {
                index,
                segments,
                figures: Figures::default(),
                failed: None,
                queue: VecDeque::new(),
                bytes: 0,
                committed: None,
                abandoned: false,
            }),
            work: Notify::new(),
            room: Notify::new(),
        }
    }

    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state
            .lock()
            .expect("invariant: nobody panics while holding the log's state")
    }

    /// Changes the log in memory and queues what the disk has to hear of it, in one step. A caller's mistake and an
    /// earlier failure are told through the op itself; either is final.
    pub(super) fn submit(
        &self,
        change: impl FnOnce(&mut Index) -> Result<(), LogFailed>,
        op: impl FnOnce(&Index) -> Op,
    ) {
        let mut state = self.state();
        if state.failed.is_none() {
            state.failed = change(&mut state.index).err();
        }
        let op = op(&state.index);
        if let Some(failed) = state.failed.clone() {
            drop(state);
            self.work.notify_one();
            op.finish(Err(failed));
            return;
        }
        if matches!(op, Op::Close { .. }) {
            state.failed = Some(LogFailed::Closed);
        }
        state.bytes += op.bytes();
        let first = state.queue.is_empty();
        state.queue.push_back(op);
        drop(state);
        if first {
            self.work.notify_one();
        }
    }

    /// Queues an op that somebody waits for.
    pub(super) async fn submit_and_wait(
        &self,
        change: impl FnOnce(&mut Index) -> Result<(), LogFailed>,
        op: impl FnOnce(Done) -> Op,
    ) -> Result<(), LogFailed> {
        let (tell, told) = oneshot::channel();
        // The caller may have gone; then nobody wants to know.
        let done: Done = Box::new(move |outcome| drop(tell.send(outcome)));
        self.submit(change, |_| op(done));
        told.await.unwrap_or(Err(LogFailed::WorkerGone))
    }

    /// Remembers a mark for the next batch; wakes nobody.
    pub(super) fn ride_along(&self, committed: LogId) {
        self.state().committed = Some(committed);
    }

    /// Waits until less than `queue_bytes` are on their way to the disk, or the log has failed.
    pub(super) async fn room(&self) {
        loop {
            let woken = self.room.notified();
            {
                let state = self.state();
                if state.bytes < self.limits.queue_bytes || state.failed.is_some() {
                    return;
                }
            }
            woken.await;
        }
    }

    /// The worker's next work, in order; `None` when there never will be any.
    pub(super) async fn next(&self) -> Option<Work> {
        loop {
            {
                let mut state = self.state();
                if !state.queue.is_empty() {
                    return Some(state.take(self.limits.batch_bytes));
                }
                if state.abandoned || state.failed.is_some() {
                    return None;
                }
            }
            self.work.notified().await;
        }
    }

    /// This work is durable: tells the callers, in order, and lets others in.
    pub(super) fn finish(&self, work: Work) {
        self.state().bytes -= work.bytes;
        for op in work.ops {
            op.finish(Ok(()));
        }
        self.room.notify_waiters();
    }

    /// The worker can do nothing more: those whose work it had in hand, those who wait, and everybody who comes get
    /// the error (the first one, if the log was closed or had failed before).
    pub(super) fn fail(&self, failed: &LogFailed, in_hand: Vec<Op>) {
        let queue = {
            let mut state = self.state();
            state.failed.get_or_insert_with(|| failed.clone());
            state.bytes = 0;
            std::mem::take(&mut state.queue)
        };
        for op in in_hand.into_iter().chain(queue) {
            op.finish(Err(failed.clone()));
        }
        self.room.notify_waiters();
    }

    /// No caller is left: the worker ends when the queue is empty.
    pub(super) fn abandon(&self) {
        self.state().abandoned = true;
        self.work.notify_one();
    }
}

impl State {
    fn take(&mut self, bytes_max: usize) -> Work {
        let mut bytes = 0;
        let mut count = 0;
        for op in &self.queue {
            if bytes >= bytes_max {
                break;
            }
            bytes += op.bytes();
            count += 1;
        }
        let ops = self.queue.drain(..count).collect();
        Work {
            ops,
            committed: self.committed.take(),
            bytes,
        }
    }
}
