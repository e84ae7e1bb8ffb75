//! Leases: keys that are attached to one go with it. How long one lives is not decided here: whoever leads says when it ends.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use byteview::ByteView;

/// The name of a lease; 0 is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LeaseId(pub i64);

impl LeaseId {
    /// No lease.
    pub const NONE: LeaseId = LeaseId(0);
}

impl std::fmt::Display for LeaseId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{:x}", self.0)
    }
}

/// How a lease was granted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Grant {
    /// How long it lives without being kept alive.
    pub ttl_seconds: u64,
    /// The entry that granted it: what tells it from an earlier one of the same name.
    pub index: u64,
}

/// What is known of a lease.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Lease {
    pub grant: Grant,
    /// The keys that are attached to it.
    pub keys: BTreeSet<ByteView>,
}

/// What becomes of leases: granted, or none any more.
pub(crate) type LeaseChanges = BTreeMap<LeaseId, Option<Grant>>;

/// Keys that were attached to leases; some may be no more.
pub(crate) type LeasedKeys = BTreeMap<LeaseId, BTreeSet<Bytes>>;

/// Every lease.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Leases {
    leases: BTreeMap<LeaseId, Lease>,
}

impl Leases {
    pub fn get(&self, id: LeaseId) -> Option<&Lease> {
        self.leases.get(&id)
    }

    pub fn len(&self) -> usize {
        self.leases.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (LeaseId, &Lease)> {
        self.leases.iter().map(|(id, lease)| (*id, lease))
    }

    /// Adds a lease without keys.
    pub fn grant(&mut self, id: LeaseId, grant: Grant) {
        let keys = BTreeSet::new();
        self.leases.insert(id, Lease { grant, keys });
    }

    /// Takes over changes that are stored, before those of keys.
    pub fn merge(&mut self, changes: LeaseChanges) {
        for (id, change) in changes {
            match change {
                Some(grant) => self.leases.entry(id).or_default().grant = grant,
                None => {
                    self.leases.remove(&id);
                }
            }
        }
    }

    /// A key went from one lease to another. One that has ended takes none: its keys go with it.
    pub fn move_key(&mut self, key: &[u8], from: LeaseId, to: LeaseId) {
        if from == to {
            return;
        }
        if let Some(lease) = self.leases.get_mut(&from) {
            lease.keys.remove(key);
        }
        if let Some(lease) = self.leases.get_mut(&to) {
            lease.keys.insert(ByteView::new(key));
        }
    }
}
