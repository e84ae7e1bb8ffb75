//! The machine, on a worker of its own: one job at a time, in order. A fatal failure ends it for good.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use bytes::Bytes;
use node_host::{Flaw, Host};
use tokio::sync::{mpsc, oneshot, watch};

use crate::contract::{Applied, Committed, Export, Fatal, Machine, Payload};
use crate::ids::LogId;
use crate::raft::snapshots::SnapshotFile;

/// Jobs that wait: the core, a snapshot and a purge at most ask at a time.
const JOBS_MAX: usize = 8;

enum Job {
    Apply(Vec<Committed>, oneshot::Sender<Result<Vec<Bytes>, Fatal>>),
    Persist(oneshot::Sender<Result<Option<LogId>, Fatal>>),
    Export(oneshot::Sender<Result<Box<dyn Export>, Fatal>>),
    Import(SnapshotFile, oneshot::Sender<Result<(), Fatal>>),
    /// From now on jobs come from here.
    Renew(mpsc::Receiver<Job>, oneshot::Sender<Result<(), Fatal>>),
}

/// The machine as the rest of this crate reaches it.
#[derive(Clone)]
pub struct MachineHandle {
    jobs: mpsc::Sender<Job>,
    shown: Arc<Shown>,
}

/// What the worker shows of the machine.
struct Shown {
    applied: watch::Sender<Option<LogId>>,
    kept: watch::Sender<Arc<Applied>>,
    persisted: watch::Sender<Option<LogId>>,
    fatal: watch::Sender<Option<String>>,
    entries: AtomicU64,
    runs: AtomicU64,
}

impl MachineHandle {
    /// Moves the machine to its worker and asks it how far it has come.
    pub async fn start(host: &Host, machine: Box<dyn Machine>) -> Result<MachineHandle, Fatal> {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        let shown = Arc::new(Shown {
            applied: watch::Sender::new(None),
            kept: watch::Sender::default(),
            persisted: watch::Sender::new(None),
            fatal: watch::Sender::new(None),
            entries: AtomicU64::new(0),
            runs: AtomicU64::new(0),
        });
        let (started, ready) = oneshot::channel();
        let worker = Worker {
            machine,
            shown: shown.clone(),
            forgetful: host.has(Flaw::PurgeUnpersisted),
        };
        host.workers
            .spawn("machine", Box::pin(worker.run(waiting, started)));
        ready.await.map_err(|_| gone())??;
        Ok(MachineHandle { jobs, shown })
    }

    /// The last entry applied, as it moves.
    pub fn applied(&self) -> watch::Receiver<Option<LogId>> {
        self.shown.applied.subscribe()
    }

    /// What the machine keeps of the membership. Its `last` is that of the last change of it.
    pub fn kept(&self) -> watch::Receiver<Arc<Applied>> {
        self.shown.kept.subscribe()
    }

    /// Why the machine stopped, once it has.
    pub fn fatal(&self) -> watch::Receiver<Option<String>> {
        self.shown.fatal.subscribe()
    }

    /// Entries applied, and the runs it took.
    pub fn counts(&self) -> (u64, u64) {
        let count = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        (count(&self.shown.entries), count(&self.shown.runs))
    }

    pub async fn apply(&self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        self.ask(|done| Job::Apply(run, done)).await
    }

    /// Makes durable what was applied, unless everything up to `upto` is already.
    pub async fn persist(&self, upto: LogId) -> Result<(), Fatal> {
        let enough = |at: Option<LogId>| at.is_some_and(|at| at.index >= upto.index);
        if enough(*self.shown.persisted.borrow()) {
            return Ok(());
        }
        match self.ask(Job::Persist).await? {
            at if enough(at) => Ok(()),
            _ => Err(Fatal::new(
                "failed to purge the log: it was not applied that far",
            )),
        }
    }

    pub async fn export(&self) -> Result<Box<dyn Export>, Fatal> {
        self.ask(Job::Export).await
    }

    pub async fn import(&self, file: SnapshotFile) -> Result<(), Fatal> {
        self.ask(|done| Job::Import(file, done)).await
    }

    /// A handle for the next life of the member. What came through earlier handles is done on return, or never will be:
    /// they find nobody any more.
    pub async fn renew(&self) -> Result<MachineHandle, Fatal> {
        let (jobs, waiting) = mpsc::channel(JOBS_MAX);
        self.ask(|done| Job::Renew(waiting, done)).await?;
        let shown = self.shown.clone();
        Ok(MachineHandle { jobs, shown })
    }

    async fn ask<T>(
        &self,
        job: impl FnOnce(oneshot::Sender<Result<T, Fatal>>) -> Job,
    ) -> Result<T, Fatal> {
        let (done, answer) = oneshot::channel();
        self.jobs.send(job(done)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

fn gone() -> Fatal {
    Fatal::new("failed to reach the machine: its worker has ended")
}

struct Worker {
    machine: Box<dyn Machine>,
    shown: Arc<Shown>,
    /// It only says that it persists.
    forgetful: bool,
}

impl Worker {
    async fn run(
        mut self,
        mut jobs: mpsc::Receiver<Job>,
        started: oneshot::Sender<Result<(), Fatal>>,
    ) {
        let start = self.show();
        let usable = start.is_ok();
        // A receiver that has gone has no use for an answer, here and below.
        let _ = started.send(start);
        if !usable {
            return;
        }
        while let Some(job) = jobs.recv().await {
            let alive = match job {
                Job::Apply(run, done) => self.answer(done, |worker| worker.apply(run)),
                Job::Persist(done) => self.answer(done, Worker::persist),
                Job::Export(done) => self.answer(done, |worker| worker.machine.export()),
                Job::Import(file, done) => self.answer(done, |worker| worker.import(&file)),
                Job::Renew(next, done) => {
                    jobs = next;
                    self.answer(done, |_| Ok(()))
                }
            };
            if !alive {
                return;
            }
        }
    }

    /// Does a job; `false` after a fatal failure: whatever comes later finds nobody.
    fn answer<T>(
        &mut self,
        done: oneshot::Sender<Result<T, Fatal>>,
        job: impl FnOnce(&mut Worker) -> Result<T, Fatal>,
    ) -> bool {
        let result = job(self);
        if let Err(fatal) = &result {
            self.shown.fatal.send_replace(Some(fatal.to_string()));
        }
        let alive = result.is_ok();
        let _ = done.send(result);
        alive
    }

    fn show(&mut self) -> Result<(), Fatal> {
        let applied = self.machine.applied()?;
        self.shown
            .applied
            .send_replace(applied.as_ref().map(|applied| applied.last));
        self.shown
            .kept
            .send_replace(Arc::new(applied.unwrap_or_default()));
        Ok(())
    }

    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        let Some(last) = run.last().map(|item| item.id) else {
            return Ok(Vec::new());
        };
        let count = run.len();
        let members = run
            .iter()
            .any(|item| matches!(item.payload, Payload::Membership { .. }));
        let replies = self.machine.apply(run)?;
        if replies.len() != count {
            return Err(Fatal::new(
                "failed to apply: the machine gave another number of replies",
            ));
        }
        self.shown
            .entries
            .fetch_add(count as u64, Ordering::Relaxed);
        self.shown.runs.fetch_add(1, Ordering::Relaxed);
        if members {
            self.show()?;
        } else {
            self.shown.applied.send_replace(Some(last));
        }
        Ok(replies)
    }

    fn persist(&mut self) -> Result<Option<LogId>, Fatal> {
        let applied = *self.shown.applied.borrow();
        if !self.forgetful {
            self.machine.persist()?;
        }
        self.shown.persisted.send_replace(applied);
        Ok(applied)
    }

    fn import(&mut self, file: &SnapshotFile) -> Result<(), Fatal> {
        self.machine.import(&mut file.chunks())?;
        self.show()?;
        let applied = *self.shown.applied.borrow();
        if applied != Some(file.applied().last) {
            return Err(Fatal::new(
                "failed to install a snapshot: the machine is elsewhere after it",
            ));
        }
        self.shown.persisted.send_replace(applied);
        Ok(())
    }
}
