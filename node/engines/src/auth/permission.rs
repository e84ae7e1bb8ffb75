//! What a role may do with which keys.

use bytes::{BufMut, Bytes, BytesMut};

use crate::kv::{End, Keys};

/// What is done with keys.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Right {
    /// They are read, or watched.
    Read,
    /// They are set, or deleted.
    Write,
}

/// A right on a range of keys, or both rights.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Permission {
    /// The range.
    pub keys: Keys,
    /// Whether it may be read.
    pub read: bool,
    /// Whether it may be written.
    pub write: bool,
}

impl Permission {
    /// Whether it gives a right.
    pub(super) fn gives(&self, right: Right) -> bool {
        match right {
            Right::Read => self.read,
            Right::Write => self.write,
        }
    }

    /// Whether there is a key that it can be about.
    pub(super) fn is_valid(&self) -> bool {
        let Keys { from, end } = &self.keys;
        let holds = match end {
            End::Same | End::Open => true,
            End::Before(end) => from < end,
        };
        !from.is_empty() && holds
    }
}

/// Whether ranges, in the order of their first keys, cover another one together.
pub(super) fn cover<'a>(ranges: impl Iterator<Item = &'a Keys>, wanted: &Keys) -> bool {
    let wanted_end = end(wanted);
    let mut reached = wanted.from.clone();
    for range in ranges {
        if range.from > reached {
            return false;
        }
        match end(range) {
            None => return true,
            Some(end) if end > reached => reached = end,
            Some(_) => {}
        }
        if wanted_end.as_ref().is_some_and(|end| *end <= reached) {
            return true;
        }
    }
    false
}

/// The first key after a range, where it ends.
fn end(keys: &Keys) -> Option<Bytes> {
    match &keys.end {
        End::Open => None,
        End::Before(end) => Some(end.clone()),
        End::Same => {
            let mut after = BytesMut::with_capacity(keys.from.len() + 1);
            after.put_slice(&keys.from);
            after.put_u8(0);
            Some(after.freeze())
        }
    }
}
