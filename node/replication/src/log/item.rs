//! The records of a batch, one by one.

use bytes::{Buf, BufMut, TryGetError};

use super::format::Bad;
use super::record::{Facts, RecordKind, Vote};
use crate::ids::LogId;

/// The number of the only log there is so far.
const LOG: u16 = 0;

pub(super) const RECORD_HEADER_BYTES: usize = 12;
/// Of the header, what the checksum does not cover: the length and itself.
const UNCOVERED_BYTES: usize = 8;
/// Before the payload of an entry: its id.
const LOG_ID_BYTES: usize = 24;
const VOTE_BYTES: usize = 17;
const HEAD_BYTES: usize = 4 + VOTE_BYTES + 3 * LOG_ID_BYTES;
/// The size of the record at the head of a segment.
pub(super) const HEAD_RECORD_BYTES: usize = RECORD_HEADER_BYTES + HEAD_BYTES;

const ENTRY: u8 = 1;
const VOTE: u8 = 2;
const TRUNCATE: u8 = 3;
const PURGE: u8 = 4;
const COMMITTED: u8 = 5;
const HEAD: u8 = 6;

const SHORT: Bad = "a record ends too early";

/// One record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Item<'a> {
    /// An entry behind the last one.
    Entry {
        id: LogId,
        kind: RecordKind,
        payload: &'a [u8],
    },
    /// A vote.
    Vote(Vote),
    /// Everything behind this entry is void; `None`: everything is.
    Truncate(Option<LogId>),
    /// Everything up to this entry is gone. Beyond the end: the log goes on behind it.
    Purge(LogId),
    /// Everything up to this entry was committed.
    Committed(LogId),
    /// The first record of a segment, and nowhere else.
    Head(Facts),
}

impl<'a> Item<'a> {
    /// Its size in the file.
    pub(super) fn len(&self) -> usize {
        RECORD_HEADER_BYTES
            + match self {
                Item::Entry { payload, .. } => LOG_ID_BYTES + payload.len(),
                Item::Vote(_) => VOTE_BYTES,
                Item::Truncate(_) => 1 + LOG_ID_BYTES,
                Item::Purge(_) | Item::Committed(_) => LOG_ID_BYTES,
                Item::Head(_) => HEAD_BYTES,
            }
    }

    pub(super) fn encode(&self, out: &mut Vec<u8>) {
        let body = u32::try_from(self.len() - RECORD_HEADER_BYTES)
            .expect("invariant: an append is below 4 GiB");
        let start = out.len();
        out.put_u32(body);
        out.put_u32(0);
        let (kind, entry_kind) = self.kinds();
        out.put_u8(kind);
        out.put_u8(entry_kind);
        out.put_u16(LOG);
        match self {
            Item::Entry { id, payload, .. } => {
                put_id(out, *id);
                out.put_slice(payload);
            }
            Item::Vote(vote) => put_vote(out, *vote),
            Item::Truncate(after) => put_option(out, *after, put_id),
            Item::Purge(id) | Item::Committed(id) => put_id(out, *id),
            Item::Head(facts) => {
                put_option(out, facts.vote, put_vote);
                put_option(out, facts.committed, put_id);
                put_option(out, facts.purged, put_id);
                put_option(out, facts.last, put_id);
            }
        }
        let record = out.get_mut(start..).unwrap_or_default();
        let (head, covered) = record.split_at_mut(UNCOVERED_BYTES);
        let crc = crc32c::crc32c(covered).to_be_bytes();
        head.iter_mut()
            .skip(4)
            .zip(crc)
            .for_each(|(to, from)| *to = from);
    }

    fn kinds(&self) -> (u8, u8) {
        match self {
            Item::Entry {
                kind: RecordKind::Blank,
                ..
            } => (ENTRY, 0),
            Item::Entry {
                kind: RecordKind::Command,
                ..
            } => (ENTRY, 1),
            Item::Entry {
                kind: RecordKind::Membership,
                ..
            } => (ENTRY, 2),
            Item::Vote(_) => (VOTE, 0),
            Item::Truncate(_) => (TRUNCATE, 0),
            Item::Purge(_) => (PURGE, 0),
            Item::Committed(_) => (COMMITTED, 0),
            Item::Head(_) => (HEAD, 0),
        }
    }

    /// The record at the start of `bytes`.
    pub(super) fn decode(bytes: &'a [u8]) -> Result<Item<'a>, Bad> {
        let (head, rest) = bytes.split_at_checked(UNCOVERED_BYTES).ok_or(SHORT)?;
        let mut head = head;
        let (length, crc) = (head.get_u32(), head.get_u32());
        let length = usize::try_from(length).map_err(|_| SHORT)?;
        let covered = RECORD_HEADER_BYTES - UNCOVERED_BYTES + length;
        let covered = rest.get(..covered).ok_or(SHORT)?;
        if crc32c::crc32c(covered) != crc {
            return Err("the checksum of a record does not match");
        }
        Item::decode_covered(covered)
    }

    fn decode_covered(mut rest: &'a [u8]) -> Result<Item<'a>, Bad> {
        let kinds = (
            rest.try_get_u8().map_err(short)?,
            rest.try_get_u8().map_err(short)?,
        );
        if rest.try_get_u16().map_err(short)? != LOG {
            return Err("a record belongs to a log this program does not know");
        }
        let item = match kinds {
            (ENTRY, kind) => {
                return Ok(Item::Entry {
                    id: get_id(&mut rest)?,
                    kind: entry_kind_of(kind).ok_or("an entry is of an unknown kind")?,
                    payload: rest,
                });
            }
            (VOTE, 0) => Item::Vote(get_vote(&mut rest)?),
            (TRUNCATE, 0) => Item::Truncate(get_option(&mut rest, get_id)?),
            (PURGE, 0) => Item::Purge(get_id(&mut rest)?),
            (COMMITTED, 0) => Item::Committed(get_id(&mut rest)?),
            (HEAD, 0) => Item::Head(Facts {
                vote: get_option(&mut rest, get_vote)?,
                committed: get_option(&mut rest, get_id)?,
                purged: get_option(&mut rest, get_id)?,
                last: get_option(&mut rest, get_id)?,
            }),
            _ => return Err("a record is of an unknown kind"),
        };
        if rest.is_empty() {
            Ok(item)
        } else {
            Err("a record is longer than its kind")
        }
    }
}

fn short(_: TryGetError) -> Bad {
    SHORT
}

fn entry_kind_of(kind: u8) -> Option<RecordKind> {
    match kind {
        0 => Some(RecordKind::Blank),
        1 => Some(RecordKind::Command),
        2 => Some(RecordKind::Membership),
        _ => None,
    }
}

fn put_id(out: &mut Vec<u8>, id: LogId) {
    out.put_u64(id.term);
    out.put_u64(id.leader);
    out.put_u64(id.index);
}

fn get_id(from: &mut &[u8]) -> Result<LogId, Bad> {
    let id = LogId {
        term: from.try_get_u64().map_err(short)?,
        leader: from.try_get_u64().map_err(short)?,
        index: from.try_get_u64().map_err(short)?,
    };
    if id.index == u64::MAX {
        return Err("an entry has the index that none can follow");
    }
    Ok(id)
}

fn put_vote(out: &mut Vec<u8>, vote: Vote) {
    out.put_u64(vote.term);
    out.put_u64(vote.node);
    out.put_u8(u8::from(vote.committed));
}

fn get_vote(from: &mut &[u8]) -> Result<Vote, Bad> {
    Ok(Vote {
        term: from.try_get_u64().map_err(short)?,
        node: from.try_get_u64().map_err(short)?,
        committed: from.try_get_u8().map_err(short)? != 0,
    })
}

/// An option takes the same room with and without its value, so that sizes do not depend on it.
fn put_option<T: Copy + Default>(
    out: &mut Vec<u8>,
    value: Option<T>,
    put: impl FnOnce(&mut Vec<u8>, T),
) {
    out.put_u8(u8::from(value.is_some()));
    put(out, value.unwrap_or_default());
}

fn get_option<T>(
    from: &mut &[u8],
    get: impl FnOnce(&mut &[u8]) -> Result<T, Bad>,
) -> Result<Option<T>, Bad> {
    let there = from.try_get_u8().map_err(short)? != 0;
    let value = get(from)?;
    Ok(there.then_some(value))
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: LogId = LogId {
        term: 3,
        leader: 0xabc,
        index: 42,
    };
    const A_VOTE: Vote = Vote {
        term: 4,
        node: 9,
        committed: true,
    };

    fn every_kind() -> Vec<Item<'static>> {
        let facts = Facts {
            vote: Some(A_VOTE),
            committed: None,
            purged: Some(ID),
            last: Some(ID),
        };
        vec![
            Item::Entry {
                id: ID,
                kind: RecordKind::Blank,
                payload: b"",
            },
            Item::Entry {
                id: ID,
                kind: RecordKind::Command,
                payload: b"a command",
            },
            Item::Entry {
                id: ID,
                kind: RecordKind::Membership,
                payload: b"m",
            },
            Item::Vote(A_VOTE),
            Item::Truncate(None),
            Item::Truncate(Some(ID)),
            Item::Purge(ID),
            Item::Committed(ID),
            Item::Head(facts),
            Item::Head(Facts::default()),
        ]
    }

    #[test]
    fn every_kind_comes_back_as_it_went() {
        for item in every_kind() {
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            assert_eq!(bytes.len(), item.len());
            assert_eq!(Item::decode(&bytes), Ok(item));
        }
    }

    #[test]
    fn an_index_that_none_can_follow_is_refused() {
        let mut bytes = Vec::new();
        let last = LogId {
            index: u64::MAX,
            ..ID
        };
        Item::Committed(last).encode(&mut bytes);
        let refused = Item::decode(&bytes).unwrap_err();
        assert!(refused.contains("none can follow"), "{refused}");
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_noticed() {
        for item in every_kind() {
            let mut bytes = Vec::new();
            item.encode(&mut bytes);
            for cut in 0..bytes.len() {
                assert!(
                    Item::decode(&bytes[..cut]).is_err(),
                    "{item:?} cut to {cut}"
                );
            }
            for bit in 0..bytes.len() * 8 {
                bytes[bit / 8] ^= 1 << (bit % 8);
                assert!(
                    Item::decode(&bytes).is_err(),
                    "{item:?} with bit {bit} flipped"
                );
                bytes[bit / 8] ^= 1 << (bit % 8);
            }
        }
    }
}
