//! openraft's view of the machine: entries reach it only once the local log has them on disk.

use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures::{Stream, StreamExt};
use node_host::Host;
use openraft::alias::{EntryOf, LogIdOf, SnapshotMetaOf, SnapshotOf, StoredMembershipOf};
use openraft::storage::{ApplyResponder, EntryResponder, RaftSnapshotBuilder, RaftStateMachine};
use openraft::{EntryPayload, OptionalSend};
use tokio::sync::watch;

use crate::blocking;
use crate::contract::{Committed, Export, Fatal, Payload};
use crate::ids::LogId;
use crate::log::Wal;
use crate::membership;
use crate::peers::Gate;
use crate::raft::config::{C, Command};
use crate::raft::convert;
use crate::raft::machine::MachineHandle;
use crate::raft::snapshots::{SnapshotFile, Snapshots};

/// Entries and bytes that reach the machine as one atomic run.
const RUN_ENTRIES_MAX: usize = 4096;
const RUN_BYTES_MAX: usize = 4 << 20;
/// A snapshot that is no larger is written whenever it is due.
const SMALL_BYTES: u64 = 1 << 20;

/// What became of snapshots since the start, and those that are on their way now.
#[derive(Default)]
pub struct SnapshotCounts {
    pub built: AtomicU64,
    pub installed: AtomicU64,
    pub resumed: AtomicU64,
    /// On their way to members now.
    sending: AtomicU64,
    /// Asked for by somebody who waits.
    asked: AtomicU64,
    /// Bytes that had been written to the log when the last one was.
    written: AtomicU64,
}

impl SnapshotCounts {
    /// A snapshot is on its way for as long as this is held.
    pub fn sending(&self) -> Held<'_> {
        Held::new(&self.sending)
    }

    /// Somebody waits for a snapshot for as long as this is held.
    pub fn asked(&self) -> Held<'_> {
        Held::new(&self.asked)
    }
}

/// Counts as one for as long as it is held.
pub struct Held<'a>(&'a AtomicU64);

impl Held<'_> {
    fn new(count: &AtomicU64) -> Held<'_> {
        count.fetch_add(1, Ordering::Relaxed);
        Held(count)
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

/// The machine as openraft sees it.
#[derive(Clone)]
pub struct StateMachine {
    pub host: Host,
    pub gate: Arc<Gate>,
    pub machine: MachineHandle,
    pub snapshots: Arc<Snapshots>,
    /// The last entry that the local log has on disk.
    pub durable: watch::Receiver<Option<LogId>>,
    pub counts: Arc<SnapshotCounts>,
    pub wal: Wal,
    pub log_bytes_max: u64,
}

/// Entries on their way to the machine, and who waits for the replies.
#[derive(Default)]
struct Run {
    items: Vec<Committed>,
    waiting: Vec<Option<ApplyResponder<C>>>,
    bytes: usize,
}

impl Run {
    fn push(&mut self, entry: EntryOf<C>, responder: Option<ApplyResponder<C>>) {
        let id = convert::log_id(&entry.log_id);
        let payload = match entry.payload {
            EntryPayload::Blank => Payload::Blank,
            EntryPayload::Normal(Command(bytes)) => Payload::Command(bytes),
            EntryPayload::Membership(membership) => {
                let roster = convert::roster(&membership);
                Payload::Membership {
                    bytes: membership::encode(&roster),
                    members: roster.ids(),
                    voters: roster.voters(),
                }
            }
        };
        if let Payload::Command(bytes) = &payload {
            self.bytes += bytes.len();
        }
        self.items.push(Committed { id, payload });
        self.waiting.push(responder);
    }

    fn is_full(&self) -> bool {
        self.items.len() >= RUN_ENTRIES_MAX || self.bytes >= RUN_BYTES_MAX
    }
}

impl StateMachine {
    async fn apply_run(&mut self, run: Run) -> io::Result<()> {
        let Some(last) = run.items.last().map(|item| item.id) else {
            return Ok(());
        };
        // The cluster may commit what this disk does not have yet.
        let on_disk = |durable: &Option<LogId>| durable.is_some_and(|durable| durable >= last);
        let waited = self.durable.wait_for(on_disk).await.map(drop);
        waited.map_err(|_| io::Error::other("the log was closed"))?;
        let replies = self
            .machine
            .apply(run.items)
            .await
            .map_err(io::Error::other)?;
        for (responder, reply) in run.waiting.into_iter().zip(replies) {
            if let Some(responder) = responder {
                responder.send(reply);
            }
        }
        Ok(())
    }

    /// Whether a snapshot is on its way: who gets it goes on with the log behind it, which a newer one would take away, and a
    /// break is mended with the same file.
    fn is_sending(&self) -> bool {
        self.counts.sending.load(Ordering::Relaxed) > 0
    }

    /// Whether, since the last snapshot was written, the log has grown by less than the length of it, and nobody asked for
    /// one: each has everything, and of a large state as much would be written again for a few entries.
    fn is_recent(&self) -> bool {
        let large = self.snapshots.last().map(|last| last.len());
        let large = large.filter(|bytes| *bytes > SMALL_BYTES);
        let since = self.counts.written.load(Ordering::Relaxed);
        let grown = self.wal.stats().bytes_written.saturating_sub(since);
        let asked = self.counts.asked.load(Ordering::Relaxed) > 0;
        !asked && large.is_some_and(|bytes| grown < bytes)
    }

    fn count(&self, counter: &AtomicU64) {
        counter.fetch_add(1, Ordering::Relaxed);
        let written = self.wal.stats().bytes_written;
        self.counts.written.store(written, Ordering::Relaxed);
    }

    /// The snapshot's meta, as openraft has it.
    fn meta(file: &SnapshotFile) -> io::Result<SnapshotMetaOf<C>> {
        let applied = file.applied();
        let membership = convert::stored_membership(applied.membership_at, &applied.membership);
        Ok(SnapshotMetaOf::<C> {
            last_log_id: Some(convert::raft_log_id(applied.last)),
            last_membership: membership.map_err(io::Error::other)?,
        })
    }

    pub fn snapshot(file: SnapshotFile) -> io::Result<SnapshotOf<C, SnapshotFile>> {
        Ok(SnapshotOf::<C, SnapshotFile> {
            meta: StateMachine::meta(&file)?,
            snapshot: file,
        })
    }
}

impl RaftStateMachine<C> for StateMachine {
    type SnapshotData = SnapshotFile;
    type SnapshotBuilder = Builder;

    async fn applied_state(
        &mut self,
    ) -> Result<(Option<LogIdOf<C>>, StoredMembershipOf<C>), io::Error> {
        let applied = *self.machine.applied().borrow();
        let kept = self.machine.kept().borrow().clone();
        let membership = convert::stored_membership(kept.membership_at, &kept.membership);
        Ok((
            applied.map(convert::raft_log_id),
            membership.map_err(io::Error::other)?,
        ))
    }

    async fn apply<S>(&mut self, mut entries: S) -> Result<(), io::Error>
    where
        S: Stream<Item = Result<EntryResponder<C>, io::Error>> + Unpin + OptionalSend,
    {
        let mut run = Run::default();
        while let Some(next) = entries.next().await {
            let (entry, responder) = next?;
            run.push(entry, responder);
            if run.is_full() {
                self.apply_run(std::mem::take(&mut run)).await?;
            }
        }
        self.apply_run(run).await
    }

    /// None while another would cost more than it is worth, unless the log is too large.
    async fn try_create_snapshot_builder(&mut self, force: bool) -> Option<Builder> {
        let may_wait = !force && self.wal.stats().bytes <= self.log_bytes_max;
        match may_wait && (self.is_sending() || self.is_recent()) {
            true => None,
            false => Some(self.get_snapshot_builder().await),
        }
    }

    async fn get_snapshot_builder(&mut self) -> Builder {
        // The view is opened here, between two runs: it is exactly what was applied so far.
        Builder {
            store: self.clone(),
            export: Mutex::new(Some(self.machine.export().await)),
        }
    }

    async fn install_snapshot(
        &mut self,
        meta: &SnapshotMetaOf<C>,
        snapshot: SnapshotFile,
    ) -> Result<(), io::Error> {
        let at = Some(convert::raft_log_id(snapshot.applied().last));
        if meta.last_log_id != at {
            return Err(io::Error::other(
                "a snapshot is not what it was announced as",
            ));
        }
        self.machine
            .import(snapshot.clone())
            .await
            .map_err(io::Error::other)?;
        let snapshots = self.snapshots.clone();
        let kept = async move { snapshots.keep_only(&snapshot) };
        blocking::run(&self.host, "snapshot", kept).await??;
        self.count(&self.counts.installed);
        Ok(())
    }

    async fn get_current_snapshot(
        &mut self,
    ) -> Result<Option<SnapshotOf<C, SnapshotFile>>, io::Error> {
        self.snapshots
            .last()
            .map(StateMachine::snapshot)
            .transpose()
    }
}

/// Builds one snapshot, beside what is applied meanwhile.
pub struct Builder {
    store: StateMachine,
    /// Taken when it is built; the lock only makes it shareable.
    export: Mutex<Option<Result<Box<dyn Export>, Fatal>>>,
}

impl RaftSnapshotBuilder<C> for Builder {
    type SnapshotData = SnapshotFile;

    async fn build_snapshot(&mut self) -> Result<SnapshotOf<C, SnapshotFile>, io::Error> {
        let export = self
            .export
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        let export = export.ok_or_else(|| io::Error::other("built before"))?;
        let export = export.map_err(io::Error::other)?;
        let at = export.applied().last;
        // The log is purged because of this snapshot: the state must not need it any more either.
        self.store
            .machine
            .persist(at)
            .await
            .map_err(io::Error::other)?;
        let (snapshots, identity) = (self.store.snapshots.clone(), self.store.gate.identity());
        let build = async move {
            let file = snapshots.write(&identity, export).await?;
            snapshots.keep_only(&file)?;
            Ok::<SnapshotFile, io::Error>(file)
        };
        let file = blocking::run(&self.store.host, "snapshot", build).await??;
        self.store.count(&self.store.counts.built);
        StateMachine::snapshot(file)
    }
}
