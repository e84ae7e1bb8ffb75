//! Reads of leases.

use bytes::Bytes;

use crate::Reader;
use crate::kv::{Grant, LeaseId};

/// A lease, as it is granted.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Leased {
    /// How it was granted.
    pub grant: Grant,
    /// The keys that are attached to it, in order; none where none were asked for.
    pub keys: Vec<Bytes>,
}

impl Reader {
    /// A lease, with its keys where they are wanted.
    pub fn lease(&self, id: LeaseId, keys: bool) -> Option<Leased> {
        let visible = self.shared.read();
        let lease = visible.keys.leases.get(id)?;
        let keys = match keys {
            true => lease
                .keys
                .iter()
                .map(|key| Bytes::copy_from_slice(key))
                .collect(),
            false => Vec::new(),
        };
        Some(Leased {
            grant: lease.grant,
            keys,
        })
    }

    /// Every lease, and how it was granted.
    pub fn leases(&self) -> Vec<(LeaseId, Grant)> {
        let visible = self.shared.read();
        let leases = visible.keys.leases.iter();
        leases.map(|(id, lease)| (id, lease.grant)).collect()
    }
}
