//! The numbers of writes.

use bytes::Bytes;

/// The number of a write, from 1: all that one command changed has it in common.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl Revision {
    /// The number of the next write.
    pub fn next(self) -> Revision {
        Revision(self.0 + 1)
    }
}

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of one change among all: its write, and its number within it. The name of a row of the history.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Place {
    pub revision: Revision,
    pub sub: u32,
}

impl Place {
    /// Before every change of a write.
    pub fn before(revision: Revision) -> Place {
        Place { revision, sub: 0 }
    }

    /// Keys in the order of places: revision (u64), sub (u32), both big endian.
    pub fn key(self) -> Bytes {
        let mut key = [0; 12];
        let (revision, sub) = key.split_at_mut(8);
        revision.copy_from_slice(&self.revision.0.to_be_bytes());
        sub.copy_from_slice(&self.sub.to_be_bytes());
        Bytes::copy_from_slice(&key)
    }

    /// The place that a row's key names. Nothing where it is no such key.
    pub fn of_key(key: &[u8]) -> Option<Place> {
        let (revision, sub) = key.split_first_chunk()?;
        Some(Place {
            revision: Revision(u64::from_be_bytes(*revision)),
            sub: u32::from_be_bytes(sub.try_into().ok()?),
        })
    }
}
