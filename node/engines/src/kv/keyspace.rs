//! Everything that is in memory of the keys.

use super::history::HistoryChanges;
use super::index::Change;
use super::transaction::Own;
use super::{Changes, History, Index, LeaseChanges, LeasedKeys, Leases, Link, Place, Version};

/// The keys, their history and their leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub index: Index,
    pub history: History,
    pub leases: Leases,
}

/// What the entries of a run change of it.
#[derive(Debug, Default)]
pub(crate) struct KeyspaceChanges {
    pub keys: Changes,
    pub history: HistoryChanges,
    pub leases: LeaseChanges,
    pub leased: LeasedKeys,
}

impl KeyspaceChanges {
    /// Adds what an accepted entry changed.
    pub fn absorb(&mut self, own: Own) {
        self.keys.extend(own.keys);
        self.history.links.extend(own.links);
        self.history.deleted.extend(own.deleted);
        self.leases.extend(own.leases);
        for (lease, keys) in own.leased {
            self.leased.entry(lease).or_default().extend(keys);
        }
    }
}

impl Keyspace {
    /// Takes over changes that are stored.
    pub fn merge(&mut self, changes: KeyspaceChanges) {
        self.leases.merge(changes.leases);
        for (key, Change { version, .. }) in changes.keys {
            let before = self.index.set(&key, version);
            let from = before.map(|before| before.lease).unwrap_or_default();
            self.leases.move_key(&key, from, version.lease);
        }
        for (place, key) in changes.history.merge_into(&mut self.history) {
            self.index.forget(&key, place);
        }
    }

    /// Adds the next change that was found in a state whose changes up to `swept` were given up.
    pub fn add(&mut self, key: &[u8], version: Version, swept: Place) {
        let before = self.index.set(key, version);
        let from = before.map(|before| before.lease).unwrap_or_default();
        self.leases.move_key(key, from, version.lease);
        let place = version.place();
        if place > swept {
            self.history.push(Link::new(place, before));
            if !version.is_alive() {
                self.history.push_deleted(place, key);
            }
        }
    }
}
