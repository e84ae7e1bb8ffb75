//! Ranges of keys.

use std::ops::Bound;

use bytes::Bytes;

/// One key, or all keys between two.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Keys {
    /// The first key.
    pub from: Bytes,
    /// Where the range ends.
    pub end: End,
}

/// The end of a range of keys.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum End {
    /// With its first key, which is the only one.
    Same,
    /// Before this key.
    Before(Bytes),
    /// With the last key that there is.
    Open,
}

/// The two ends of a range for an ordered map.
pub(crate) type Bounds<'a> = (Bound<&'a [u8]>, Bound<&'a [u8]>);

impl Keys {
    /// The range of one key.
    pub fn one(key: Bytes) -> Keys {
        Keys {
            from: key,
            end: End::Same,
        }
    }

    /// Whether `key` lies in the range.
    pub fn contains(&self, key: &[u8]) -> bool {
        match &self.end {
            End::Same => key == self.from,
            End::Before(end) => *self.from <= *key && *key < **end,
            End::Open => *self.from <= *key,
        }
    }

    /// The range for an ordered map. Nothing where no key can lie in it.
    pub(crate) fn bounds(&self) -> Option<Bounds<'_>> {
        let from = Bound::Included(&*self.from);
        match &self.end {
            End::Same => Some((from, from)),
            End::Before(end) if end <= &self.from => None,
            End::Before(end) => Some((from, Bound::Excluded(&**end))),
            End::Open => Some((from, Bound::Unbounded)),
        }
    }
}
