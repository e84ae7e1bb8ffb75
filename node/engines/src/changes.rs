//! The history of the keys as a sequence of changes: what watchers are told.

use std::ops::Bound::{Included, Unbounded};

use bytes::Bytes;

use crate::kv::rows::decode_row;
use crate::kv::{KeyValue, Place, Revision, Version, rows};
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
    /// The write that it belongs to.
    pub fn revision(&self) -> Revision {
        self.now.modified
    }
}

impl Reader {
    /// The changes from a revision on, in order, up to the last one that is applied: those of whole writes, about
    /// `changes_max` of them, and of one write at least. Nothing where no such write was yet.
    ///
    /// # Errors
    /// [`Rejection::Compacted`] where the history from there on is given up.
    pub fn changes(
        &self,
        from: Revision,
        changes_max: usize,
    ) -> Result<Result<Vec<KeyChange>, Rejection>, ReadError> {
        let now = self.shared.read().head.kv;
        if from < now.compacted {
            return Ok(Err(Rejection::Compacted));
        }
        let view = self.shared.storage.view()?;
        let start = Included(Place::before(from).key());
        let mut changes: Vec<KeyChange> = Vec::new();
        for row in view.scan(crate::tables::KV, (start, Unbounded)) {
            let (place, row) = row?;
            let wrong = |source| ReadError::Row {
                revision: from.0,
                source,
            };
            let (key, version, value) = decode_row(&place, &row).map_err(wrong)?;
            let whole = changes
                .last()
                .is_none_or(|last| last.revision() != version.modified);
            // The storage may be ahead of what readers may see.
            if version.modified > now.revision || (whole && changes.len() >= changes_max) {
                break;
            }
            let value = rows::whole_value(view.as_ref(), version, value)?;
            changes.push(change(key, version, value));
        }
        // What was given up meanwhile may have been missed.
        match from < self.shared.read().head.kv.compacted {
            true => Ok(Err(Rejection::Compacted)),
            false => Ok(Ok(changes)),
        }
    }

    /// What a change replaced; nothing where it made the key, or where the history before it is given up.
    pub fn before(&self, change: &KeyChange) -> Result<Option<KeyValue>, ReadError> {
        let query = crate::kv::Query::all(crate::kv::Keys::one(change.now.key.clone()));
        let before = Revision(change.revision().0.saturating_sub(1));
        if before < self.shared.read().head.kv.compacted {
            return Ok(None);
        }
        let found = self.query_within(&query, before, change.number)?;
        Ok(found.and_then(|found| found.items.into_iter().next()))
    }
}

fn change(key: Bytes, version: Version, value: Bytes) -> KeyChange {
    KeyChange {
        deleted: !version.is_alive(),
        number: version.sub,
        now: KeyValue::new(key, version, value),
    }
}
