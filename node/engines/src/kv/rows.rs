//! The rows in which the keys are stored: one for each change, by its place; and one more for a large value.

use bytes::Bytes;
use node_storage::{Batch, Storage, Table, View};

use super::{LeaseId, Place, Version};
use crate::format::kv::{decode_change, encode_change};
use crate::format::state::encode_version_1;
use crate::tables::{KV, KV_INDEX, KV_LARGE, KV_VALUES};
use crate::{DecodeError, ReadError};

/// A longer value has a row of its own, so that whoever reads the history at a start does not read the values too.
pub(crate) const VALUE_BYTES_INLINE_MAX: u32 = 1024;

/// What an entry writes, and what its digest is taken over.
///
/// A digest is of what an entry does, not of how that is stored. At feature level 1 the two were the same. The rows of that
/// time are still what is digested there, so that nodes agree whose programs store in other ways.
#[derive(Debug)]
pub(crate) struct Rows {
    stored: Batch,
    level_1: Option<Batch>,
}

impl Rows {
    /// No rows yet, of an entry that finds the cluster at this feature level.
    pub fn new(feature_level: u32) -> Rows {
        Rows {
            stored: Batch::new(),
            level_1: (feature_level < 2).then(Batch::new),
        }
    }

    /// What is stored.
    pub fn into_stored(self) -> Batch {
        self.stored
    }

    /// What the entry's digest is taken over.
    pub fn digested(&self) -> &Batch {
        self.level_1.as_ref().unwrap_or(&self.stored)
    }

    /// Adds the rows of `other` after these.
    pub fn append(&mut self, other: Rows) {
        self.stored.append(other.stored);
        if let (Some(rows), Some(other)) = (&mut self.level_1, other.level_1) {
            rows.append(other);
        }
    }

    /// Sets a row that is no key's.
    pub fn put(&mut self, table: Table, key: impl Into<Bytes>, value: impl Into<Bytes>) {
        let (key, value) = (key.into(), value.into());
        if let Some(rows) = &mut self.level_1 {
            rows.put(table, key.clone(), value.clone());
        }
        self.stored.put(table, key, value);
    }

    /// Removes a row that is no key's.
    pub fn delete(&mut self, table: Table, key: impl Into<Bytes>) {
        let key = key.into();
        if let Some(rows) = &mut self.level_1 {
            rows.delete(table, key.clone());
        }
        self.stored.delete(table, key);
    }

    /// A key has a new version, or was deleted.
    pub fn change(&mut self, key: &Bytes, now: Version, value: &Bytes, before: Option<Version>) {
        put_change(&mut self.stored, key, now, value);
        let Some(rows) = &mut self.level_1 else {
            return;
        };
        if let Some(before) = before {
            rows.delete(KV_VALUES, revision_key(before));
        }
        if now.is_alive() {
            rows.put(KV_VALUES, revision_key(now), value.clone());
            rows.put(KV_INDEX, key.clone(), encode_version_1(now));
        } else {
            rows.delete(KV_INDEX, key.clone());
        }
    }
}

/// The rows of one change.
pub(crate) fn put_change(batch: &mut Batch, key: &Bytes, version: Version, value: &Bytes) {
    let place = version.place().key();
    let inline = match version.value_bytes > VALUE_BYTES_INLINE_MAX {
        true => {
            batch.put(KV_LARGE, place.clone(), value.clone());
            &Bytes::new()
        }
        false => value,
    };
    batch.put(KV, place, encode_change(key, version, inline));
}

/// Removes the rows of a change that nothing can read any more.
pub(crate) fn delete_change(batch: &mut Batch, place: Place, value_bytes: u32) {
    let place = place.key();
    if value_bytes > VALUE_BYTES_INLINE_MAX {
        batch.delete(KV_LARGE, place.clone());
    }
    batch.delete(KV, place);
}

/// The value of a version.
pub(crate) fn read_value(storage: &dyn Storage, version: Version) -> Result<Bytes, ReadError> {
    let place = version.place();
    if version.value_bytes > VALUE_BYTES_INLINE_MAX {
        let value = storage.get(KV_LARGE, &place.key())?;
        return value.ok_or_else(|| lost(place));
    }
    let (_, _, value) = read_row(storage, place)?;
    Ok(value)
}

/// The value of a row's version, which is not in the row where it is a large one.
pub(crate) fn whole_value(
    view: &dyn View,
    version: Version,
    inline: Bytes,
) -> Result<Bytes, ReadError> {
    if version.value_bytes <= VALUE_BYTES_INLINE_MAX {
        return Ok(inline);
    }
    let place = version.place();
    let value = view.get(KV_LARGE, &place.key())?;
    value.ok_or_else(|| lost(place))
}

/// A change by its place: key, version and value.
pub(crate) fn read_change(
    storage: &dyn Storage,
    place: Place,
) -> Result<(Bytes, Version, Bytes), ReadError> {
    let (key, version, value) = read_row(storage, place)?;
    if version.value_bytes <= VALUE_BYTES_INLINE_MAX {
        return Ok((key, version, value));
    }
    let value = read_value(storage, version)?;
    Ok((key, version, value))
}

fn read_row(storage: &dyn Storage, place: Place) -> Result<(Bytes, Version, Bytes), ReadError> {
    let row = storage.get(KV, &place.key())?;
    let row = row.ok_or_else(|| lost(place))?;
    decode_change(place, &row).map_err(|source| ReadError::Row {
        revision: place.revision.0,
        source,
    })
}

fn lost(place: Place) -> ReadError {
    ReadError::Lost {
        revision: place.revision.0,
    }
}

/// A row of the history as it is stored.
pub(crate) fn decode_row(
    place: &Bytes,
    row: &Bytes,
) -> Result<(Bytes, Version, Bytes), DecodeError> {
    let wrong = DecodeError::Field {
        format: "a change of a key",
        field: "place",
    };
    decode_change(Place::of_key(place).ok_or(wrong)?, row)
}

/// The key of a lease's row.
pub(crate) fn lease_key(lease: LeaseId) -> Bytes {
    Bytes::copy_from_slice(&lease.0.to_be_bytes())
}

/// The lease that a row's key names.
pub(crate) fn lease_of_key(key: &[u8]) -> Result<LeaseId, DecodeError> {
    let id = key.try_into().map_err(|_| DecodeError::Field {
        format: "a lease",
        field: "id",
    })?;
    Ok(LeaseId(i64::from_be_bytes(id)))
}

/// The key under which level 1 stored the value of a revision.
fn revision_key(version: Version) -> Bytes {
    Bytes::copy_from_slice(&version.modified.0.to_be_bytes())
}
