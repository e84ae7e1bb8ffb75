//! Reads, beside the one caller that applies.

use std::sync::Arc;

use bytes::Bytes;
use indexmap::IndexSet;
use node_storage::Digest;

use crate::auth::Auth;
use crate::kv::rows::read_value;
use crate::kv::{Alarm, Revision, Version};
use crate::state::Shared;
use crate::{Applied, ClusterId, Incarnation, LogIndex, LogNumber, Position, ReadError, Stamp};

/// A key's value and its revisions.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: Bytes,
    /// The revision that wrote it.
    pub revision: Revision,
    /// The revision that made the key.
    pub created: Revision,
}

/// A part of a list.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    /// Keys in order, each with the revision of its value and the value's length in bytes.
    pub items: Vec<(Bytes, Revision, u64)>,
    /// The key that the next page begins with, where there is more.
    pub next: Option<Bytes>,
}

/// How much is kept of what the keys were.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct History {
    /// What is read begins with this revision.
    pub compacted: Revision,
    /// The revision of the last write.
    pub last: Revision,
    /// Bytes of values that were replaced.
    pub bytes: u64,
    /// Changes that nothing can read any more and that are stored still.
    pub sweepable: usize,
}

/// What the cluster's own rows take in the storage, about.
const BYTES_WITHOUT_KEYS: u64 = 4096;

/// Reads the state while entries are applied to it: each call sees the state between two runs, never half of one.
///
/// Cheap to clone. Calls hold the state's lock for memory look-ups alone, never while the storage works.
#[derive(Clone)]
pub struct Reader {
    pub(crate) shared: Arc<Shared>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>) -> Reader {
        Reader { shared }
    }

    /// The value of a key.
    pub fn get(&self, key: &[u8]) -> Result<Option<Found>, ReadError> {
        let found = self.version(key).map(|version| self.found(version));
        match found.transpose() {
            // The value was replaced and given up after the look-up. While nothing moves, memory and storage are in step.
            Err(ReadError::Lost { .. }) => {
                let _still = self.shared.moving();
                let version = self.version(key);
                version.map(|version| self.found(version)).transpose()
            }
            found => found,
        }
    }

    fn version(&self, key: &[u8]) -> Option<Version> {
        let last = self.shared.read().keys.index.last(key);
        last.filter(Version::is_alive)
    }

    fn found(&self, version: Version) -> Result<Found, ReadError> {
        Ok(Found {
            value: read_value(self.shared.storage.as_ref(), version)?,
            revision: version.modified,
            created: version.created,
        })
    }

    /// The keys that begin with `prefix`, from the key `from` on (itself included), at most `limit` of them. It reads no
    /// values, and holds the state's lock for as long as it collects: the caller bounds `limit`.
    pub fn list(&self, prefix: &[u8], from: Option<&[u8]>, limit: usize) -> Page {
        let visible = self.shared.read();
        let mut keys = visible.keys.index.list(prefix, from.unwrap_or_default());
        let items = keys
            .by_ref()
            .take(limit)
            .map(|(key, version)| {
                (
                    Bytes::copy_from_slice(key),
                    version.modified,
                    u64::from(version.value_bytes),
                )
            })
            .collect();
        let next = keys.next().map(|(key, _)| Bytes::copy_from_slice(key));
        Page { items, next }
    }

    /// How many keys there are.
    pub fn keys(&self) -> u64 {
        self.shared.read().keys.index.alive() as u64
    }

    /// The revision of the last write.
    pub fn revision(&self) -> Revision {
        self.shared.read().head.kv.revision
    }

    /// How much is kept of what the keys were.
    pub fn history(&self) -> History {
        let visible = self.shared.read();
        let progress = &visible.head.kv;
        let compacted = match visible.system.feature_level {
            ..2 => progress.revision,
            _ => progress.begins(),
        };
        History {
            compacted,
            last: progress.revision,
            bytes: visible.keys.history.bytes(),
            sweepable: visible
                .keys
                .history
                .up_to(progress.sweepable(visible.system.feature_level)),
        }
    }

    /// Bytes that the state takes up, as near as its storage knows.
    pub fn bytes_used(&self) -> Result<u64, ReadError> {
        Ok(self.shared.storage.bytes_used()?)
    }

    /// Bytes that the keys, their history and their leases take up, about, by what is stored of each, and what little there is
    /// beside them: the same on every node that came as far. What was given up and is not removed yet does not count. It
    /// looks at no storage.
    pub fn bytes(&self) -> u64 {
        BYTES_WITHOUT_KEYS + self.shared.read().keys.bytes()
    }

    /// Every alarm that is active, in order.
    pub fn alarms(&self) -> Vec<Alarm> {
        self.shared.read().keys.alarms.iter().collect()
    }

    /// How far the state has come; nothing before the first entry.
    pub fn applied(&self) -> Option<Applied> {
        self.shared.read().head.applied.clone()
    }

    /// The point in history that the state shows.
    pub fn position(&self) -> Position {
        let visible = self.shared.read();
        let incarnation = visible.system.incarnation;
        Position {
            log: LogNumber(0),
            incarnation,
            index: visible.head.index(),
        }
    }

    /// The stamp of the last entry that carried one.
    pub fn stamp(&self) -> Stamp {
        self.shared.read().head.stamp
    }

    /// The digest of everything done up to the last applied entry.
    pub fn digest(&self) -> (LogIndex, Digest) {
        let visible = self.shared.read();
        (visible.head.index(), visible.head.digest)
    }

    /// The digest after an earlier entry, where it is kept: every [`crate::DIGEST_INTERVAL`]th of the last ones, and the last.
    pub fn digest_at(&self, index: LogIndex) -> Option<Digest> {
        let visible = self.shared.read();
        let head = &visible.head;
        if head.applied.is_some() && head.index() == index {
            return Some(head.digest);
        }
        visible.digests.get(index.0)
    }

    /// True once the intended voters have all joined: from then on data is accepted.
    pub fn open(&self) -> bool {
        self.shared.read().system.open
    }

    /// The cluster's id, once it is formed.
    pub fn cluster_id(&self) -> Option<ClusterId> {
        self.shared
            .read()
            .system
            .genesis
            .map(|genesis| genesis.cluster_id)
    }

    /// How many voters must have joined before data is accepted, once the cluster is formed.
    pub fn intended_voters(&self) -> Option<u32> {
        self.shared
            .read()
            .system
            .genesis
            .map(|genesis| genesis.voters)
    }

    /// Every member that ever left, the latest last. They never return.
    pub fn removed(&self) -> IndexSet<u64> {
        self.shared.read().system.removed.clone()
    }

    /// Which history of the log this is.
    pub fn incarnation(&self) -> Incarnation {
        self.shared.read().system.incarnation
    }

    /// What `look` makes of the users and roles. It holds the state's lock meanwhile.
    pub fn auth<T>(&self, look: impl FnOnce(&Auth) -> T) -> T {
        look(&self.shared.read().auth)
    }

    /// The feature level that the cluster has reached.
    pub fn feature_level(&self) -> u32 {
        self.shared.read().system.feature_level
    }
}
