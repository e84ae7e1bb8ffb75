//! Which keys there are, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use byteview::ByteView;

use super::{Keys, LeaseId, Place, Revision, row_bytes};

/// What the index knows of a key: its last version, or that it was deleted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The revision that wrote the value, or deleted it.
    pub modified: Revision,
    /// The revision that made the key, kept while it lives.
    pub created: Revision,
    /// How often it was put since it was made; 0 for a key that was deleted.
    pub count: u64,
    /// The lease that it is attached to, 0 for none.
    pub lease: LeaseId,
    /// The number of the change within its write.
    pub sub: u32,
    /// The value's length.
    pub value_bytes: u32,
}

impl Version {
    /// What a deletion leaves.
    pub fn deleted(place: Place) -> Version {
        Version {
            modified: place.revision,
            created: Revision(0),
            count: 0,
            lease: LeaseId(0),
            sub: place.sub,
            value_bytes: 0,
        }
    }

    /// The name of its row.
    pub fn place(&self) -> Place {
        Place {
            revision: self.modified,
            sub: self.sub,
        }
    }

    /// False for a key that was deleted.
    pub fn is_alive(&self) -> bool {
        self.count > 0
    }
}

/// What becomes of a key: its new version, with the value, which the storage may not have yet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Change {
    pub version: Version,
    pub value: Bytes,
}

/// What becomes of keys.
pub(crate) type Changes = BTreeMap<Bytes, Change>;

/// Every key and its last version, in order. A key that was deleted stays until its history is given up. Keys of up to 20
/// bytes lie in the tree itself: what is looked up most is not looked for elsewhere in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    keys: BTreeMap<ByteView, Version>,
    alive: usize,
    /// What the values that they have take in the storage, about.
    bytes: u64,
}

impl Index {
    /// The last version of a key, a deletion too.
    pub fn last(&self, key: &[u8]) -> Option<Version> {
        self.keys.get(key).copied()
    }

    /// How many keys have a value.
    pub fn alive(&self) -> usize {
        self.alive
    }

    /// What keys and their values take in the storage, about.
    pub fn bytes(&self) -> u64 {
        self.bytes
    }

    /// Every key, those too that were deleted.
    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Version)> {
        self.keys.iter().map(|(key, version)| (&**key, *version))
    }

    /// The keys of a range, those too that were deleted.
    pub fn range<'a>(&'a self, keys: &'a Keys) -> impl Iterator<Item = (&'a [u8], Version)> + 'a {
        let bounds = keys.bounds();
        bounds.into_iter().flat_map(|bounds| {
            let found = self.keys.range::<[u8], _>(bounds);
            found.map(|(key, version)| (&**key, *version))
        })
    }

    /// The keys that have a value and begin with `prefix`, from `from` on (itself included).
    pub fn list<'a>(
        &'a self,
        prefix: &'a [u8],
        from: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Version)> + 'a {
        let start = Bound::Included(prefix.max(from));
        self.keys
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .filter(|(_, version)| version.is_alive())
            .map(|(key, version)| (&**key, *version))
    }

    /// Sets the last version of a key, and gives the one before. A key that is new is copied: the one given may share its
    /// buffer with a whole entry.
    pub fn set(&mut self, key: &[u8], version: Version) -> Option<Version> {
        let before = match self.keys.get_mut(key) {
            Some(known) => Some(std::mem::replace(known, version)),
            None => self.keys.insert(ByteView::new(key), version),
        };
        let bytes = |version: Version| row_bytes(key.len(), version.value_bytes as usize);
        if version.is_alive() {
            self.alive += 1;
            self.bytes += bytes(version);
        }
        if let Some(before) = before.filter(Version::is_alive) {
            self.alive -= 1;
            self.bytes -= bytes(before);
        }
        before
    }

    /// Forgets a key whose deletion at `place` is given up, unless it was put again since.
    pub fn forget(&mut self, key: &[u8], place: Place) {
        if self.last(key).is_some_and(|last| last.place() == place) {
            self.keys.remove(key);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&[u8]]) -> Index {
        let version = Version {
            count: 1,
            ..Version::deleted(Place::before(Revision(1)))
        };
        let mut index = Index::default();
        for key in keys {
            index.set(key, version);
        }
        index
    }

    #[test]
    fn a_prefix_of_the_highest_bytes_has_an_end() {
        let index = index(&[b"\xff", b"\xff\xff", b"\xfe\xff", b"a"]);
        let list = |prefix: &[u8], from: &[u8]| {
            index
                .list(prefix, from)
                .map(|(key, _)| key.to_vec())
                .collect::<Vec<_>>()
        };
        assert_eq!(list(b"\xff", b""), [b"\xff".to_vec(), b"\xff\xff".to_vec()]);
        assert_eq!(list(b"\xff\xff", b""), [b"\xff\xff".to_vec()]);
        assert_eq!(list(b"\xfe", b""), [b"\xfe\xff".to_vec()]);
        assert_eq!(list(b"", b"\xfe").len(), 3);
        assert_eq!(list(b"a", b"b"), Vec::<Vec<u8>>::new());
    }

    #[test]
    fn a_key_takes_128_bytes_of_the_index_at_most() {
        // A node of the tree holds 11 pairs and is at least half full on the whole.
        assert_eq!(size_of::<ByteView>() + size_of::<Version>(), 64);
    }
}
