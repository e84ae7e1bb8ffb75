//! States that programs of feature level 1 wrote: a row for each key's version, and one for its value.

use std::ops::Bound::{Excluded, Unbounded};

use node_storage::{Batch, Storage};

use crate::OpenError;
use crate::format::state::decode_version_1;
use crate::kv::rows::put_change;
use crate::open::in_table;
use crate::tables::{KV_INDEX, KV_VALUES};

/// Rows that are turned in one batch.
const ROWS_PER_BATCH: usize = 1000;

/// Turns such rows into those of today, a batch at a time: a crash leaves some of either, and the next opening goes on.
pub(crate) fn convert(storage: &dyn Storage) -> Result<(), OpenError> {
    let view = storage.view()?;
    let mut from = Unbounded;
    loop {
        let mut batch = Batch::new();
        let mut last = None;
        for row in view.scan(KV_INDEX, (from, Unbounded)).take(ROWS_PER_BATCH) {
            let (key, row) = row?;
            let version = decode_version_1(&row).map_err(in_table(KV_INDEX))?;
            let at = version.modified.0.to_be_bytes();
            let value = view.get(KV_VALUES, &at)?.ok_or(OpenError::ValueLost {
                revision: version.modified.0,
            })?;
            put_change(&mut batch, &key, version, &value);
            batch.delete(KV_VALUES, at.to_vec());
            batch.delete(KV_INDEX, key.clone());
            last = Some(key);
        }
        let Some(last) = last else {
            return Ok(());
        };
        storage.commit(batch)?;
        from = Excluded(last);
    }
}
