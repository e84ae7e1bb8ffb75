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

    /// All keys that begin with `prefix`.
    pub fn beginning_with(prefix: &[u8]) -> Keys {
        // No key is empty.
        let from = match prefix {
            [] => Bytes::from_static(&[0]),
            prefix => Bytes::copy_from_slice(prefix),
        };
        // The last byte that can be one more is, and what follows it goes.
        let last = prefix.iter().rposition(|byte| *byte < u8::MAX);
        let end = last.and_then(|last| prefix.get(..=last)).map(|kept| {
            let mut end = kept.to_vec();
            if let Some(byte) = end.last_mut() {
                *byte += 1;
            }
            End::Before(end.into())
        });
        Keys {
            from,
            end: end.unwrap_or(End::Open),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_keys_that_begin_with_a_prefix_end_before_the_next_one() {
        let end = |prefix: &[u8]| Keys::beginning_with(prefix).end;
        let before = |end: &'static [u8]| End::Before(Bytes::from_static(end));
        assert_eq!(end(b"a"), before(b"b"));
        assert_eq!(end(b"a\xfe"), before(b"a\xff"));
        assert_eq!(end(b"a\xff\xff"), before(b"b"));
        assert_eq!(end(b"\xff\xff"), End::Open);
        assert_eq!(end(b""), End::Open);
    }
}
