//! Everything that is in memory of the keys.

use super::history::HistoryChanges;
use super::index::Change;
use super::transaction::Own;
use super::{
    Alarms, Changes, History, Index, LEASE_BYTES, LeaseChanges, LeasedKeys, Leases, Link, Place,
    Revision, Version,
};

/// The keys, their history and their leases.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Keyspace {
    pub index: Index,
    pub history: History,
    pub leases: Leases,
    pub alarms: Alarms,
}

/// What the entries of a run change of it.
#[derive(Debug, Default)]
pub(crate) struct KeyspaceChanges {
    pub keys: Changes,
    pub history: HistoryChanges,
    pub leases: LeaseChanges,
    pub leased: LeasedKeys,
    /// What the alarms are after the run, if some changed.
    pub alarms: Option<Alarms>,
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
        self.alarms = own.alarms.or(self.alarms.take());
    }
}

impl Keyspace {
    /// What keys, history and leases take in the storage, about; without what was given up and waits to be removed.
    pub fn bytes(&self) -> u64 {
        let leases = LEASE_BYTES * self.leases.len() as u64;
        self.index.bytes() + self.history.held() + leases
    }

    /// Takes over changes that are stored. The history begins with the revision `compacted` then.
    pub fn merge(&mut self, changes: KeyspaceChanges, compacted: Revision) {
        if let Some(alarms) = changes.alarms {
            self.alarms = alarms;
        }
        self.leases.merge(changes.leases);
        for (key, Change { version, .. }) in changes.keys {
            let before = self.index.set(&key, version);
            let from = before.map(|before| before.lease).unwrap_or_default();
            self.leases.move_key(&key, from, version.lease);
        }
        for (place, key) in changes.history.merge_into(&mut self.history) {
            self.index.forget(&key, place);
        }
        self.history.give_up(compacted);
    }

    /// Adds the next change that was found in a state whose changes up to `swept` were given up.
    pub fn add(&mut self, key: &[u8], version: Version, swept: Place) {
        let before = self.index.set(key, version);
        let from = before.map(|before| before.lease).unwrap_or_default();
        self.leases.move_key(key, from, version.lease);
        let place = version.place();
        if place > swept {
            self.history.push(Link::new(place, key.len(), before));
            if !version.is_alive() {
                self.history.push_deleted(place, key);
            }
        }
    }
}
