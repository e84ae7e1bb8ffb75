//! Which keys there are, in memory.

use std::collections::BTreeMap;
use std::ops::Bound;

use bytes::Bytes;
use byteview::ByteView;

use super::Revision;

/// What the index knows of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Version {
    /// The revision that wrote the value; the value's name on disk.
    pub modified: Revision,
    /// The revision that made the key, kept while it lives.
    pub created: Revision,
    /// The value's length.
    pub value_bytes: u32,
}

/// What becomes of keys: a new version, or none any more.
pub(crate) type Changes = BTreeMap<Bytes, Option<Version>>;

/// Every key and its version, in order. Keys of up to 20 bytes lie in the tree itself: what is looked up most is not looked
/// for elsewhere in memory.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Index {
    keys: BTreeMap<ByteView, Version>,
}

impl Index {
    pub fn get(&self, key: &[u8]) -> Option<Version> {
        self.keys.get(key).copied()
    }

    pub fn len(&self) -> usize {
        self.keys.len()
    }

    pub fn iter(&self) -> impl Iterator<Item = (&[u8], Version)> {
        self.keys.iter().map(|(key, version)| (&**key, *version))
    }

    /// The keys that begin with `prefix`, from `from` on (itself included).
    pub fn list<'a>(
        &'a self,
        prefix: &'a [u8],
        from: &'a [u8],
    ) -> impl Iterator<Item = (&'a [u8], Version)> + 'a {
        let start = Bound::Included(prefix.max(from));
        self.keys
            .range::<[u8], _>((start, Bound::Unbounded))
            .take_while(move |(key, _)| key.starts_with(prefix))
            .map(|(key, version)| (&**key, *version))
    }

    /// Takes over changes that are stored.
    pub fn merge(&mut self, changes: Changes) {
        for (key, change) in changes {
            match change {
                Some(version) => self.set(&key, version),
                None => {
                    self.keys.remove(&*key);
                }
            }
        }
    }

    /// Sets the version of a key. A key that is new is copied: the one given may share its buffer with a whole entry.
    pub fn set(&mut self, key: &[u8], version: Version) {
        match self.keys.get_mut(key) {
            Some(known) => *known = version,
            None => {
                self.keys.insert(ByteView::new(key), version);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn index(keys: &[&[u8]]) -> Index {
        let version = Version {
            modified: Revision(1),
            created: Revision(1),
            value_bytes: 0,
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
}
