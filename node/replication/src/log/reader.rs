//! Reading entries back: from memory where they are recent, else from the segments.

use std::ops::Range;
use std::path::Path;

use bytes::Bytes;

use super::errors::ReadError;
use super::index::Place;
use super::item::Item;
use super::queue::{Readable, Shared};
use super::record::Record;
use crate::ids::LogId;

/// So much is read from a segment at once (one entry always is).
const READ_BYTES_MAX: usize = 4 << 20;

enum Part {
    Cached(Vec<Record>),
    OnDisk(Readable, Vec<(LogId, Place)>),
}

/// The entries of `range`, from its start, as many as have payloads of together no more than `bytes_max`, but at
/// least one. May wait for the disk.
pub(super) fn read(
    shared: &Shared,
    range: Range<u64>,
    bytes_max: usize,
) -> Result<Vec<Record>, ReadError> {
    let mut records: Vec<Record> = Vec::new();
    let mut bytes = 0_usize;
    let mut from = range.start;
    while from < range.end {
        let left = bytes_max.saturating_sub(bytes);
        let part = match next_part(shared, from..range.end, left)? {
            Part::Cached(records) => records,
            Part::OnDisk(segment, places) => from_segment(&segment, &places)?,
        };
        for record in part {
            bytes = bytes.saturating_add(record.payload.len());
            if bytes > bytes_max && !records.is_empty() {
                return Ok(records);
            }
            from = record.id.index + 1;
            records.push(record);
        }
    }
    Ok(records)
}

fn next_part(shared: &Shared, range: Range<u64>, bytes_max: usize) -> Result<Part, ReadError> {
    let state = shared.state();
    state.index.check(range.start)?;
    state.index.check(range.end - 1)?;
    let cached = state.index.cached(range.start, range.end, bytes_max);
    if !cached.is_empty() {
        return Ok(Part::Cached(cached));
    }
    let places = state
        .index
        .places(range.start, range.end, bytes_max.min(READ_BYTES_MAX));
    let segment = places
        .first()
        .and_then(|(_, place)| state.segments.get(&place.segment));
    let segment =
        segment.expect("invariant: an entry is in the cache or in a segment that is kept");
    Ok(Part::OnDisk(segment.clone(), places))
}

fn from_segment(segment: &Readable, places: &[(LogId, Place)]) -> Result<Vec<Record>, ReadError> {
    let (Some((first_id, first)), Some((_, last))) = (places.first(), places.last()) else {
        return Ok(Vec::new());
    };
    let mut chunk = vec![0; (last.offset - first.offset + last.length) as usize];
    segment
        .file
        .read_exact_at(&mut chunk, u64::from(first.offset))
        .map_err(|source| ReadError::Disk {
            index: first_id.index,
            file: segment.path.clone(),
            source,
        })?;
    let chunk = Bytes::from(chunk);
    places
        .iter()
        .map(|(id, place)| {
            let start = (place.offset - first.offset) as usize;
            record(&chunk, start, *id)
                .map_err(|what| damaged(&segment.path, *id, place.offset, what))
        })
        .collect()
}

/// The entry `id` at `start` of `chunk`; its payload shares the memory of the chunk.
fn record(chunk: &Bytes, start: usize, id: LogId) -> Result<Record, &'static str> {
    match Item::decode(chunk.get(start..).unwrap_or_default())? {
        Item::Entry {
            id: found,
            kind,
            payload,
        } if found == id => Ok(Record {
            id,
            kind,
            payload: chunk.slice_ref(payload),
        }),
        _ => Err("another record stands where the entry was written"),
    }
}

fn damaged(file: &Path, id: LogId, offset: u32, what: &'static str) -> ReadError {
    ReadError::Damaged {
        index: id.index,
        file: file.to_owned(),
        offset: offset.into(),
        what,
    }
}
