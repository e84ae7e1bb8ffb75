//! The history of the keys as a sequence of changes: what watchers are told.

use std::ops::Bound::{Included, Unbounded};

use bytes::Bytes;

use crate::kv::rows::decode_row;
use crate::kv::{KeyValue, Keys, Place, Revision, Version, rows};
use crate::{ReadError, Reader, Rejection};

/// A change of one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyChange {
    /// The key as the change left it. Of one that was deleted only the key and the revision.
    pub now: KeyValue,
    /// Whether it was deleted.
    pub deleted: bool,
    /// The number of the change within its write.
    number: u32,
}

impl KeyChange {
    /// Its number within the write that it belongs to, from 0.
    pub fn number(&self) -> u32 {
        self.number
    }

    /// The write that it belongs to.
    pub fn revision(&self) -> Revision {
        self.now.modified
    }
}

/// How much of the history is read in one go, about: whole writes always, and one at least.
#[derive(Clone, Copy, Debug)]
pub struct Portion {
    /// Changes that are looked at.
    pub changes: usize,
    /// Bytes of the values that are read.
    pub bytes: usize,
}

impl Reader {
    /// The changes of keys from a revision on, in order, up to the last one that is applied or as many as the portion holds.
    /// With the revision up to which these are all. The values of other keys are not read.
    ///
    /// # Errors
    /// [`Rejection::Compacted`] where the history from there on is given up.
    pub fn changes(
        &self,
        from: Revision,
        keys: &Keys,
        portion: Portion,
    ) -> Result<Result<(Vec<KeyChange>, Revision), Rejection>, ReadError> {
        let now = self.shared.read().head.kv;
        if !now.tells_from(from) {
            return Ok(Err(Rejection::Compacted));
        }
        let mut up_to = now.revision;
        let view = self.shared.storage.view()?;
        let start = Included(Place::before(from).key());
        let mut changes: Vec<KeyChange> = Vec::new();
        let (mut looked_at, mut bytes) = (0, 0);
        let mut last: Option<Revision> = None;
        for row in view.scan(crate::tables::KV, (start, Unbounded)) {
            let (place, row) = row?;
            let wrong = |source| ReadError::Row {
                revision: from.0,
                source,
            };
            let (key, version, value) = decode_row(&place, &row).map_err(wrong)?;
            let whole = last.is_none_or(|last| last != version.modified);
            // The storage may be ahead of what readers may see.
            if version.modified > now.revision {
                break;
            }
            let full = looked_at >= portion.changes || bytes >= portion.bytes;
            if let Some(last) = last.filter(|_| whole && full) {
                up_to = last;
                break;
            }
            looked_at += 1;
            last = Some(version.modified);
            if !keys.contains(&key) {
                continue;
            }
            let value = rows::whole_value(view.as_ref(), version, value)?;
            bytes += value.len();
            changes.push(change(key, version, value));
        }
        // What was given up meanwhile may have been missed. While nothing moves memory is in step with what was read.
        let _still = self.shared.moving();
        let now = self.shared.read().head.kv;
        match now.tells_from(from) {
            true => Ok(Ok((changes, up_to))),
            false => Ok(Err(Rejection::Compacted)),
        }
    }

    /// What a change replaced; nothing where it made the key, or where the history before it is given up.
    pub fn before(&self, change: &KeyChange) -> Result<Option<KeyValue>, ReadError> {
        let place = Place {
            revision: change.revision(),
            sub: change.number,
        };
        let before = Revision(change.revision().0.saturating_sub(1));
        let replaced = {
            let visible = self.shared.read();
            if before < visible.head.kv.begins() {
                return Ok(None);
            }
            visible.keys.history.replaced(place)
        };
        let Some(replaced) = replaced else {
            return Ok(None);
        };
        let found = rows::read_change(self.shared.storage.as_ref(), replaced);
        match found {
            Ok((key, version, value)) => Ok(Some(KeyValue::new(key, version, value))),
            // It was given up meanwhile.
            Err(ReadError::Lost { .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

pub(crate) fn change(key: Bytes, version: Version, value: Bytes) -> KeyChange {
    KeyChange {
        deleted: !version.is_alive(),
        number: version.sub,
        now: KeyValue::new(key, version, value),
    }
}
