//! The bytes of the log, version 1. All numbers are big-endian; checksums are CRC-32C.
//!
//! ```text
//! segment = header batch* zeros
//! header  = "KLUSTWAL" version:u16 zero:u16 segment:u64 first-batch:u64 previous:u32 salt:u64 zero:u32 crc:u32
//! batch   = "KLBA" sequence:u64 previous:u32 length:u32 crc:u32 record*        (crc: over the salt and all the rest)
//! record  = length:u32 crc:u32 kind:u8 entry-kind:u8 log:u16 body              (crc: over what follows it)
//! ```
//!
//! `previous` is the checksum of the batch before. The salt, drawn for each segment, keeps a payload that quotes a
//! batch from passing for one. Each record names its log: one log today, more in the same files and syncs later.

use bytes::{Buf, BufMut};

pub(super) const VERSION: u16 = 1;
const SEGMENT_MAGIC: &[u8; 8] = b"KLUSTWAL";
const BATCH_MAGIC: &[u8; 4] = b"KLBA";
pub(super) const SEGMENT_HEADER_BYTES: usize = 48;
pub(super) const BATCH_HEADER_BYTES: usize = 24;

/// Why bytes are not what they should be.
pub(super) type Bad = &'static str;

/// The start of a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SegmentHeader {
    pub(super) segment: u64,
    pub(super) first_batch: u64,
    pub(super) previous: u32,
    pub(super) salt: u64,
}

/// What is wrong with a segment's header.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum BadHeader {
    Damaged(Bad),
    FromTheFuture(u16),
}

impl SegmentHeader {
    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let start = out.len();
        out.put_slice(SEGMENT_MAGIC);
        out.put_u16(VERSION);
        out.put_u16(0);
        out.put_u64(self.segment);
        out.put_u64(self.first_batch);
        out.put_u32(self.previous);
        out.put_u64(self.salt);
        out.put_u32(0);
        let crc = crc32c::crc32c(out.get(start..).unwrap_or_default());
        out.put_u32(crc);
    }

    pub(super) fn decode(bytes: &[u8]) -> Result<SegmentHeader, BadHeader> {
        let damaged = BadHeader::Damaged("the header of the segment is damaged");
        let Some(header) = bytes.get(..SEGMENT_HEADER_BYTES) else {
            return Err(BadHeader::Damaged("the segment is shorter than its header"));
        };
        let Some(mut rest) = header.strip_prefix(SEGMENT_MAGIC) else {
            return Err(BadHeader::Damaged(
                "the file does not begin as a segment of a log",
            ));
        };
        // The version comes before the checksum: a later format may keep that elsewhere.
        match rest.get_u16() {
            VERSION => {}
            version if version > VERSION => return Err(BadHeader::FromTheFuture(version)),
            _ => return Err(damaged),
        }
        let (covered, mut crc) = header.split_at(SEGMENT_HEADER_BYTES - 4);
        if crc.get_u32() != crc32c::crc32c(covered) || rest.get_u16() != 0 {
            return Err(damaged);
        }
        Ok(SegmentHeader {
            segment: rest.get_u64(),
            first_batch: rest.get_u64(),
            previous: rest.get_u32(),
            salt: rest.get_u64(),
        })
    }
}

/// A batch found in a segment.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch<'a> {
    pub(super) sequence: u64,
    pub(super) previous: u32,
    pub(super) crc: u32,
    /// Its records.
    pub(super) body: &'a [u8],
}

impl<'a> Batch<'a> {
    /// The batch at the start of `bytes`, if a whole one is there.
    pub(super) fn decode(bytes: &'a [u8], salt: u64) -> Option<Batch<'a>> {
        let (header, rest) = bytes.split_at_checked(BATCH_HEADER_BYTES)?;
        let mut fields = header.strip_prefix(BATCH_MAGIC)?;
        let (sequence, previous) = (fields.get_u64(), fields.get_u32());
        let (length, crc) = (fields.get_u32(), fields.get_u32());
        let body = rest.get(..usize::try_from(length).ok()?)?;
        let covered = header.get(..BATCH_HEADER_BYTES - 4)?;
        (batch_crc(salt, covered, body) == crc).then_some(Batch {
            sequence,
            previous,
            crc,
            body,
        })
    }

    /// Its size in the file.
    pub(super) fn len(&self) -> usize {
        BATCH_HEADER_BYTES + self.body.len()
    }

    /// The first offset in `bytes` at which a whole batch of sequence `from` or later stands.
    pub(super) fn find(bytes: &[u8], salt: u64, from: u64) -> Option<usize> {
        let magics = bytes.windows(BATCH_MAGIC.len()).enumerate();
        magics
            .filter(|(_, window)| window == BATCH_MAGIC)
            .map(|(at, _)| at)
            .find(|at| {
                let batch = Batch::decode(bytes.get(*at..).unwrap_or_default(), salt);
                batch.is_some_and(|batch| batch.sequence >= from)
            })
    }
}

/// Leaves room for the header of a batch whose records follow; [`seal_batch`] fills it.
pub(super) fn open_batch(out: &mut Vec<u8>) {
    out.put_bytes(0, BATCH_HEADER_BYTES);
}

/// Writes the header of a batch that is whole but for it; returns its checksum.
pub(super) fn seal_batch(batch: &mut [u8], sequence: u64, previous: u32, salt: u64) -> u32 {
    let (header, body) = batch
        .split_at_mut_checked(BATCH_HEADER_BYTES)
        .expect("invariant: open_batch left room for the header");
    let length = u32::try_from(body.len()).expect("invariant: a batch is below 4 GiB");
    let mut fields = &mut *header;
    fields.put_slice(BATCH_MAGIC);
    fields.put_u64(sequence);
    fields.put_u32(previous);
    fields.put_u32(length);
    let (covered, mut crc_at) = header.split_at_mut(BATCH_HEADER_BYTES - 4);
    let crc = batch_crc(salt, covered, body);
    crc_at.put_u32(crc);
    crc
}

fn batch_crc(salt: u64, header: &[u8], body: &[u8]) -> u32 {
    let crc = crc32c::crc32c(&salt.to_be_bytes());
    crc32c::crc32c_append(crc32c::crc32c_append(crc, header), body)
}
