//! Reading segments in order, record by record, into what they say together.

use std::path::{Path, PathBuf};

use bytes::Bytes;
use node_host::Files;

use super::errors::OpenError;
use super::format::{
    BATCH_HEADER_BYTES, BadHeader, Batch, SEGMENT_HEADER_BYTES, SegmentHeader, VERSION,
};
use super::index::{Index, Place};
use super::item::Item;
use super::record::{Facts, Record, Vote};
use super::segment::Segment;
use super::stopped::End;
use crate::ids::LogId;

/// The sum of the segments read so far.
pub(super) struct Replay {
    pub(super) index: Index,
    /// The sequence of the next batch.
    pub(super) batch: u64,
    /// The checksum of the last batch.
    pub(super) previous: u32,
    /// The last batch as it is in its segment, and where.
    pub(super) last_batch: (u64, Vec<u8>),
    vote: Option<Vote>,
    committed: Option<LogId>,
    /// No segment was read yet.
    fresh: bool,
    /// Damage with whole batches behind it counts as a torn end: one of the simulator's mistakes.
    lenient: bool,
}

/// What a crash left of a batch, behind the end of a segment.
pub(super) struct Torn {
    /// From the end of the segment to the last byte that is not zero.
    pub(super) bytes: usize,
}

impl Replay {
    pub(super) fn new(cache_bytes: usize, lenient: bool) -> Replay {
        Replay {
            index: Index::new(cache_bytes),
            batch: 0,
            previous: 0,
            last_batch: (0, Vec::new()),
            vote: None,
            committed: None,
            fresh: true,
            lenient,
        }
    }

    pub(super) fn facts(&self) -> Facts {
        Facts {
            vote: self.vote,
            committed: self.committed,
            purged: self.index.purged(),
            last: self.index.last(),
        }
    }

    /// Where the log ends, if `newest` is its newest segment.
    pub(super) fn end(&self, newest: Option<&Segment>) -> End {
        let (segment, offset) = newest.map_or((0, 0), |newest| (newest.sequence, newest.end));
        End {
            segment,
            offset,
            batch: self.batch,
            previous: self.previous,
        }
    }

    /// Reads the segment that follows on those read so far.
    pub(super) fn segment(
        &mut self,
        files: &dyn Files,
        sequence: u64,
        path: PathBuf,
        newest: bool,
    ) -> Result<(Segment, Option<Torn>), OpenError> {
        let error = |action| OpenError::files(action, &path);
        let file = files.open(&path).map_err(error("open"))?;
        let capacity = file.len().map_err(error("measure"))?;
        let mut bytes = vec![0; usize::try_from(capacity).unwrap_or(usize::MAX)];
        file.read_exact_at(&mut bytes, 0).map_err(error("read"))?;

        let header = self.header(&path, &bytes, sequence)?;
        let salt = header.salt;
        let mut segment = Segment {
            sequence,
            path,
            file,
            salt,
            end: SEGMENT_HEADER_BYTES as u64,
            capacity,
            highest: None,
        };
        let mut offset = SEGMENT_HEADER_BYTES;
        while let Some(batch) = self.next_batch(bytes.get(offset..).unwrap_or_default(), salt) {
            self.records(&mut segment, offset, &batch)?;
            let end = offset + batch.len();
            if newest {
                let whole = bytes.get(offset..end).unwrap_or_default();
                self.last_batch = (offset as u64, whole.to_vec());
            }
            offset = end;
        }
        segment.end = offset as u64;
        let torn = self.rest(&segment, bytes.get(offset..).unwrap_or_default(), newest)?;
        Ok((segment, torn))
    }

    fn header(
        &mut self,
        path: &Path,
        bytes: &[u8],
        sequence: u64,
    ) -> Result<SegmentHeader, OpenError> {
        let header = SegmentHeader::decode(bytes).map_err(|bad| match bad {
            BadHeader::Damaged(what) => OpenError::damaged(path, 0, what),
            BadHeader::FromTheFuture(found) => OpenError::FromTheFuture {
                file: path.to_owned(),
                found,
                known: VERSION,
            },
        })?;
        if header.segment != sequence {
            let what = format!(
                "segment {} stands under the name of another",
                header.segment
            );
            return Err(OpenError::damaged(path, 0, what));
        }
        if self.fresh {
            (self.batch, self.previous) = (header.first_batch, header.previous);
        } else if (self.batch, self.previous) != (header.first_batch, header.previous) {
            let what = format!(
                "the segment before ends with batch {}, but batch {} comes next",
                self.batch.wrapping_sub(1),
                header.first_batch
            );
            return Err(OpenError::damaged(path, 0, what));
        }
        Ok(header)
    }

    /// The batch at the start of `bytes`, if it is whole and the next in the chain.
    fn next_batch<'a>(&self, bytes: &'a [u8], salt: u64) -> Option<Batch<'a>> {
        let batch = Batch::decode(bytes, salt)?;
        ((batch.sequence, batch.previous) == (self.batch, self.previous)).then_some(batch)
    }

    fn records(
        &mut self,
        segment: &mut Segment,
        batch_at: usize,
        batch: &Batch<'_>,
    ) -> Result<(), OpenError> {
        (self.batch, self.previous) = (batch.sequence.wrapping_add(1), batch.crc);
        if batch.body.is_empty() {
            let what = "a batch holds nothing";
            return Err(OpenError::damaged(&segment.path, batch_at as u64, what));
        }
        let mut rest = batch.body;
        while !rest.is_empty() {
            let at = batch_at + BATCH_HEADER_BYTES + (batch.body.len() - rest.len());
            let damaged = |what: &str| OpenError::damaged(&segment.path, at as u64, what);
            let item = Item::decode(rest).map_err(damaged)?;
            let length = item.len();
            let place = Place {
                segment: segment.sequence,
                offset: u32::try_from(at).map_err(|_| damaged("a segment is too large"))?,
                length: u32::try_from(length).map_err(|_| damaged("a record is too large"))?,
            };
            self.take(item, place).map_err(|what| damaged(&what))?;
            if let Item::Entry { id, .. } = item {
                segment.highest = segment.highest.max(Some(id.index));
            }
            rest = rest.get(length..).unwrap_or_default();
        }
        Ok(())
    }

    fn take(&mut self, item: Item<'_>, place: Place) -> Result<(), String> {
        if self.fresh && !matches!(item, Item::Head(_)) {
            return Err("a segment begins without its head".to_owned());
        }
        match item {
            Item::Head(facts) => self.head(facts)?,
            Item::Vote(vote) => self.vote = Some(vote),
            Item::Committed(committed) => self.committed = Some(committed),
            Item::Purge(upto) => self.index.purge(upto),
            Item::Truncate(after) => {
                self.index
                    .truncate_after(after)
                    .map_err(|error| error.to_string())?;
            }
            Item::Entry { id, kind, payload } => {
                let record = Record {
                    id,
                    kind,
                    payload: Bytes::copy_from_slice(payload),
                };
                self.index
                    .append(record, Some(place))
                    .map_err(|error| error.to_string())?;
            }
        }
        Ok(())
    }

    /// The head of the first segment is where the log begins; later ones repeat what is known.
    fn head(&mut self, facts: Facts) -> Result<(), String> {
        if self.fresh {
            self.fresh = false;
            (self.vote, self.committed) = (facts.vote, facts.committed);
            self.index.begin(facts.purged, facts.last);
        } else if facts != self.facts() {
            return Err("the head of a segment contradicts the segments before it".to_owned());
        }
        Ok(())
    }

    /// Judges what stands behind the last good batch of a segment. Batches are written and made durable one after
    /// the other, so a crash can spoil only the last, and a segment is there only with its first.
    fn rest(
        &self,
        segment: &Segment,
        rest: &[u8],
        newest: bool,
    ) -> Result<Option<Torn>, OpenError> {
        let damaged = |what: String| Err(OpenError::damaged(&segment.path, segment.end, what));
        if segment.end == SEGMENT_HEADER_BYTES as u64 {
            return damaged("the first batch of a segment is damaged".to_owned());
        }
        let Some(last) = rest.iter().rposition(|byte| *byte != 0) else {
            return Ok(None);
        };
        if !newest {
            return damaged("a damaged batch in a segment that is not the last".to_owned());
        }
        if let Some(at) = Batch::find(rest, segment.salt, self.batch).filter(|_| !self.lenient) {
            let at = segment.end + at as u64;
            return damaged(format!(
                "a damaged batch, with a whole one behind it at offset {at},"
            ));
        }
        Ok(Some(Torn { bytes: last + 1 }))
    }
}
