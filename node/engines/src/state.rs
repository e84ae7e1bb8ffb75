//! What the engines hold in memory of the stored state, and who may look at it when.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use node_storage::{Digest, Storage};

use crate::auth::Auth;
use crate::system::System;
use crate::{Applied, DIGEST_INTERVAL, DIGESTS_MAX, LogIndex, Stamp, kv};

/// How far the state has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The time of the last entry that had one.
    pub stamp: Stamp,
    /// How far the keys have come.
    pub kv: kv::Progress,
    /// The digest of everything done so far.
    pub digest: Digest,
    /// Nothing before the first entry.
    pub applied: Option<Applied>,
}

impl Default for Head {
    fn default() -> Head {
        Head {
            stamp: Stamp::default(),
            kv: kv::Progress::default(),
            digest: Digest::ZERO,
            applied: None,
        }
    }
}

impl Head {
    pub fn index(&self) -> LogIndex {
        LogIndex(
            self.applied
                .as_ref()
                .map_or(0, |applied| applied.last.index),
        )
    }
}

/// The digests that are kept, by index.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Digests {
    kept: BTreeMap<u64, Digest>,
}

impl Digests {
    /// True where the digest after this entry is kept.
    pub fn keeps(index: u64) -> bool {
        index.is_multiple_of(DIGEST_INTERVAL)
    }

    /// The index whose digest goes when that of `index` comes.
    pub fn superseded_by(index: u64) -> Option<u64> {
        index.checked_sub(DIGEST_INTERVAL * DIGESTS_MAX)
    }

    pub fn get(&self, index: u64) -> Option<Digest> {
        self.kept.get(&index).copied()
    }

    pub fn iter(&self) -> impl Iterator<Item = (u64, Digest)> {
        self.kept.iter().map(|(index, digest)| (*index, *digest))
    }

    pub fn insert(&mut self, index: u64, digest: Digest) {
        self.kept.insert(index, digest);
        if let Some(old) = Digests::superseded_by(index) {
            self.kept.remove(&old);
        }
    }
}

/// What readers see.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Visible {
    pub keys: kv::Keyspace,
    pub auth: Auth,
    pub system: System,
    pub head: Head,
    pub digests: Digests,
}

/// What the engines and their readers share.
///
/// `visible` is written only by the engines and only for as long as it takes to merge what is stored already. `moving` is
/// held while storage and memory are not in step: a reader that finds storage ahead of memory waits for it.
pub(crate) struct Shared {
    pub storage: Arc<dyn Storage>,
    visible: RwLock<Visible>,
    moving: Mutex<()>,
}

impl Shared {
    pub fn new(storage: Arc<dyn Storage>, visible: Visible) -> Shared {
        Shared {
            storage,
            visible: RwLock::new(visible),
            moving: Mutex::new(()),
        }
    }

    // A panic under one of these locks ends the node; what other threads still read until then is whole, as nothing
    // under them panics between two changes that belong together.

    pub fn read(&self) -> RwLockReadGuard<'_, Visible> {
        self.visible.read().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn write(&self) -> RwLockWriteGuard<'_, Visible> {
        self.visible.write().unwrap_or_else(PoisonError::into_inner)
    }

    pub fn moving(&self) -> MutexGuard<'_, ()> {
        self.moving.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
