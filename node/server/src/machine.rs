//! The one file where log and engines meet: what the log committed goes to the engines, and their state to its snapshots.

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use node_engines::kv::Revision;
use node_engines::{Change, Engines, LogId, Reader};
use node_replication::{Applied, Committed, Export, Fatal, Machine, Payload};
use node_storage::Storage;
use tokio::sync::watch;

use crate::snapshot;

/// The engines, as what the log applies to.
pub struct EngineMachine {
    engines: Engines,
    reader: Reader,
    storage: Arc<dyn Storage>,
    revisions: watch::Sender<Revision>,
}

impl EngineMachine {
    /// Puts `engines`, which were opened on `storage`, behind the log. The revision of the last write goes to `revisions`.
    pub fn new(
        engines: Engines,
        storage: Arc<dyn Storage>,
        revisions: watch::Sender<Revision>,
    ) -> EngineMachine {
        let reader = engines.reader();
        EngineMachine {
            engines,
            reader,
            storage,
            revisions,
        }
    }

    fn tell(&self) {
        let now = self.reader.revision();
        self.revisions
            .send_if_modified(|revision| std::mem::replace(revision, now) != now);
    }
}

impl Machine for EngineMachine {
    fn applied(&self) -> Result<Option<Applied>, Fatal> {
        Ok(applied(&self.reader))
    }

    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        let mut is_command = Vec::with_capacity(run.len());
        let changes = run
            .into_iter()
            .map(|committed| {
                is_command.push(matches!(committed.payload, Payload::Command(_)));
                (to_engines(committed.id), change(committed.payload))
            })
            .collect();
        let outcomes = self
            .engines
            .apply(changes)
            .map_err(|fatal| Fatal::because("failed to apply what the log committed", fatal))?;
        self.tell();
        let reply = |(outcome, is_command): (node_engines::Outcome, bool)| match is_command {
            true => outcome.encode(),
            false => Bytes::new(),
        };
        Ok(outcomes.into_iter().zip(is_command).map(reply).collect())
    }

    fn persist(&self) -> Result<(), Fatal> {
        self.storage
            .persist()
            .map_err(|error| Fatal::because("failed to make the state durable", error))
    }

    fn export(&self) -> Result<Box<dyn Export>, Fatal> {
        // Nothing is applied meanwhile: the caller of `apply` is the caller of this.
        let applied = applied(&self.reader)
            .ok_or_else(|| Fatal::new("failed to export the state: nothing was applied yet"))?;
        let view = self
            .storage
            .view()
            .map_err(|error| Fatal::because("failed to open a view of the state", error))?;
        Ok(Box::new(StateExport {
            applied,
            chunks: snapshot::Chunks::new(view),
        }))
    }

    fn import(&mut self, chunks: &mut dyn Iterator<Item = io::Result<Bytes>>) -> Result<(), Fatal> {
        let mut rows = snapshot::Rows::new(chunks);
        self.engines
            .replace(&mut rows)
            .map_err(|error| Fatal::because("failed to install a snapshot's state", error))?;
        self.tell();
        Ok(())
    }
}

struct StateExport {
    applied: Applied,
    chunks: snapshot::Chunks,
}

impl Export for StateExport {
    fn applied(&self) -> Applied {
        self.applied.clone()
    }

    fn next(&mut self) -> Result<Option<Bytes>, Fatal> {
        self.chunks
            .next()
            .map_err(|error| Fatal::because("failed to export the state", error))
    }
}

/// How far the engines have come, in the log's words.
fn applied(reader: &Reader) -> Option<Applied> {
    reader.applied().map(|applied| Applied {
        last: from_engines(applied.last),
        membership: applied.membership,
        membership_at: applied.membership_at.map(from_engines),
        removed: reader.removed().into_iter().collect(),
    })
}

fn change(payload: Payload) -> Change {
    match payload {
        Payload::Command(entry) => Change::Command(entry),
        Payload::Membership {
            bytes,
            members,
            voters,
        } => Change::Members {
            now: members,
            voters,
            blob: bytes,
        },
        Payload::Blank => Change::Blank,
    }
}

fn to_engines(id: node_replication::LogId) -> LogId {
    LogId {
        term: id.term,
        leader: id.leader,
        index: id.index,
    }
}

fn from_engines(id: LogId) -> node_replication::LogId {
    node_replication::LogId {
        term: id.term,
        leader: id.leader,
        index: id.index,
    }
}
