//! From a command to mutations, or a rejection.

use bytes::Bytes;
use node_storage::Batch;

use super::{Changes, Command, Index, Reply, Revision, Version};
use crate::format;
use crate::tables::{KV_INDEX, KV_VALUES};
use crate::{KEY_BYTES_MAX, Rejection, VALUE_BYTES_MAX};

/// What one entry does to the keys: it sees the state, what earlier entries of the run did, and its own commands so far.
/// Dropping it leaves no trace.
pub(crate) struct Transaction<'a> {
    index: &'a Index,
    run: &'a Changes,
    changes: Changes,
    revision: Revision,
}

impl<'a> Transaction<'a> {
    /// Begins an entry after `run`, whose last write had `revision`.
    pub fn new(index: &'a Index, run: &'a Changes, revision: Revision) -> Transaction<'a> {
        Transaction {
            index,
            run,
            changes: Changes::new(),
            revision,
        }
    }

    /// Carries out one command: its rows go to `batch`.
    pub fn execute(&mut self, command: Command, batch: &mut Batch) -> Result<Reply, Rejection> {
        match command {
            Command::Put { key, value } => self.put(key, value, batch),
            Command::Delete { key } => self.delete(key, batch),
        }
    }

    /// What the entry changed, and the revision of its last write.
    pub fn finish(self) -> (Changes, Revision) {
        (self.changes, self.revision)
    }

    fn put(&mut self, key: Bytes, value: Bytes, batch: &mut Batch) -> Result<Reply, Rejection> {
        check_key(&key)?;
        if value.len() > VALUE_BYTES_MAX {
            return Err(Rejection::ValueTooLarge {
                bytes: value.len() as u64,
            });
        }
        let before = self.get(&key);
        let revision = self.next_revision();
        let version = Version {
            modified: revision,
            created: before.map_or(revision, |before| before.created),
            value_bytes: u32::try_from(value.len()).expect("invariant: bounded above"),
        };
        supersede(before, batch);
        batch.put(KV_VALUES, revision_key(revision), value);
        batch.put(
            KV_INDEX,
            key.clone(),
            format::state::encode_version(version),
        );
        self.changes.insert(key, Some(version));
        Ok(Reply::Put {
            revision,
            created: before.is_none(),
        })
    }

    fn delete(&mut self, key: Bytes, batch: &mut Batch) -> Result<Reply, Rejection> {
        check_key(&key)?;
        let before = self.get(&key);
        let revision = self.next_revision();
        if before.is_some() {
            supersede(before, batch);
            batch.delete(KV_INDEX, key.clone());
            self.changes.insert(key, None);
        }
        Ok(Reply::Delete {
            revision,
            existed: before.is_some(),
        })
    }

    fn get(&self, key: &[u8]) -> Option<Version> {
        let changed = self.changes.get(key).or_else(|| self.run.get(key));
        changed.copied().unwrap_or_else(|| self.index.get(key))
    }

    fn next_revision(&mut self) -> Revision {
        self.revision.0 += 1;
        self.revision
    }
}

/// The key under which the value of a revision is stored.
pub(crate) fn revision_key(revision: Revision) -> Bytes {
    Bytes::copy_from_slice(&revision.0.to_be_bytes())
}

fn supersede(before: Option<Version>, batch: &mut Batch) {
    if let Some(before) = before {
        batch.delete(KV_VALUES, revision_key(before.modified));
    }
}

fn check_key(key: &[u8]) -> Result<(), Rejection> {
    match key.len() {
        0 => Err(Rejection::KeyEmpty),
        bytes if bytes > KEY_BYTES_MAX => Err(Rejection::KeyTooLarge {
            bytes: bytes as u64,
        }),
        _ => Ok(()),
    }
}
