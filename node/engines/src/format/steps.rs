//! Steps of a transaction.
//!
//! ```text
//! step      1 keys revision?  |  2 key value? lease?  |  3 keys  |  4 comparisons, steps of success, steps of failure
//! keys      first key, then 0 (no other), 1 end (before it) or 2 (no end)
//! compare   keys relation u8 target u8, an i64 or (of a value) bytes
//! x?        0  or  1, x
//! ```
//!
//! Lists stand behind their number (u32), bytes behind their length.

use bytes::Bytes;

use super::DecodeError;
use super::code::{Decoder, Encoder};
use crate::STEPS_PER_TXN_MAX;
use crate::kv::{Compare, End, Keys, LeaseId, Put, Relation, Revision, Step, Target, Txn};

const RANGE: u8 = 1;
const PUT: u8 = 2;
const DELETE: u8 = 3;
const TXN: u8 = 4;

const RELATIONS: [Relation; 4] = [
    Relation::Equal,
    Relation::Greater,
    Relation::Less,
    Relation::NotEqual,
];

/// Transactions within transactions, at most so deep.
const DEPTH_MAX: usize = 128;
/// More than the fixed fields of a step take.
const OVERHEAD: usize = 32;

/// About how many bytes a step takes.
pub(super) fn bytes(step: &Step) -> usize {
    let fields = match step {
        Step::Range(keys, _) | Step::Delete(keys) => keys_bytes(keys),
        Step::Put(put) => put.key.len() + put.value.as_ref().map_or(0, Bytes::len),
        Step::Txn(txn) => {
            let compare = txn.compare.iter().map(|compare| {
                let value = match &compare.target {
                    Target::Value(value) => value.len(),
                    _ => 0,
                };
                OVERHEAD + keys_bytes(&compare.keys) + value
            });
            let steps = txn.success.iter().chain(&txn.failure).map(bytes);
            compare.sum::<usize>() + steps.sum::<usize>()
        }
    };
    OVERHEAD + fields
}

fn keys_bytes(keys: &Keys) -> usize {
    let end = match &keys.end {
        End::Before(end) => end.len(),
        End::Same | End::Open => 0,
    };
    keys.from.len() + end
}

pub(super) fn encode(encoder: &mut Encoder, step: &Step) {
    match step {
        Step::Range(keys, revision) => {
            encoder.u8(RANGE);
            encode_keys(encoder, keys);
            encoder.bool(revision.is_some());
            if let Some(revision) = revision {
                encoder.u64(revision.0);
            }
        }
        Step::Put(Put { key, value, lease }) => {
            encoder.u8(PUT);
            encoder.bytes(key);
            encoder.bool(value.is_some());
            if let Some(value) = value {
                encoder.bytes(value);
            }
            encoder.bool(lease.is_some());
            if let Some(lease) = lease {
                encoder.i64(lease.0);
            }
        }
        Step::Delete(keys) => {
            encoder.u8(DELETE);
            encode_keys(encoder, keys);
        }
        Step::Txn(txn) => {
            encoder.u8(TXN);
            encoder.count(txn.compare.len());
            for compare in &txn.compare {
                encode_compare(encoder, compare);
            }
            for steps in [&txn.success, &txn.failure] {
                encoder.count(steps.len());
                for step in steps {
                    encode(encoder, step);
                }
            }
        }
    }
}

pub(super) fn encode_keys(encoder: &mut Encoder, keys: &Keys) {
    encoder.bytes(&keys.from);
    match &keys.end {
        End::Same => encoder.u8(0),
        End::Before(end) => {
            encoder.u8(1);
            encoder.bytes(end);
        }
        End::Open => encoder.u8(2),
    }
}

fn encode_compare(encoder: &mut Encoder, compare: &Compare) {
    encode_keys(encoder, &compare.keys);
    encoder.u8(match compare.relation {
        Relation::Equal => 0,
        Relation::Greater => 1,
        Relation::Less => 2,
        Relation::NotEqual => 3,
    });
    let (target, number) = match &compare.target {
        Target::Version(number) => (0, *number),
        Target::Created(number) => (1, *number),
        Target::Modified(number) => (2, *number),
        Target::Lease(number) => (4, *number),
        Target::Value(value) => {
            encoder.u8(3);
            return encoder.bytes(value);
        }
    };
    encoder.u8(target);
    encoder.i64(number);
}

/// Reads a step, with a bounded number of steps within it.
pub(super) fn decode(decoder: &mut Decoder) -> Result<Step, DecodeError> {
    let mut left = STEPS_PER_TXN_MAX;
    decode_step(decoder, &mut left, DEPTH_MAX)
}

fn decode_step(decoder: &mut Decoder, left: &mut usize, depth: usize) -> Result<Step, DecodeError> {
    Ok(match decoder.u8()? {
        RANGE => {
            let keys = decode_keys(decoder)?;
            let revision = match decoder.bool("revision")? {
                true => Some(Revision(decoder.u64()?)),
                false => None,
            };
            Step::Range(keys, revision)
        }
        PUT => {
            let key = decoder.bytes()?;
            let value = match decoder.bool("value")? {
                true => Some(decoder.bytes()?),
                false => None,
            };
            let lease = match decoder.bool("lease")? {
                true => Some(LeaseId(decoder.i64()?)),
                false => None,
            };
            Step::Put(Put { key, value, lease })
        }
        DELETE => Step::Delete(decode_keys(decoder)?),
        TXN => {
            let depth = depth.checked_sub(1);
            let depth = depth.ok_or_else(|| decoder.field("depth of transactions"))?;
            let count = count(decoder, left)?;
            let compare = (0..count)
                .map(|_| decode_compare(decoder))
                .collect::<Result<_, _>>()?;
            let success = decode_steps(decoder, left, depth)?;
            let failure = decode_steps(decoder, left, depth)?;
            Step::Txn(Box::new(Txn {
                compare,
                success,
                failure,
            }))
        }
        _ => return Err(decoder.field("step")),
    })
}

fn decode_steps(
    decoder: &mut Decoder,
    left: &mut usize,
    depth: usize,
) -> Result<Vec<Step>, DecodeError> {
    let count = count(decoder, left)?;
    (0..count)
        .map(|_| decode_step(decoder, left, depth))
        .collect()
}

fn count(decoder: &mut Decoder, left: &mut usize) -> Result<usize, DecodeError> {
    let count = decoder.count("number of steps", *left)?;
    *left -= count;
    Ok(count)
}

pub(super) fn decode_keys(decoder: &mut Decoder) -> Result<Keys, DecodeError> {
    let from = decoder.bytes()?;
    let end = match decoder.u8()? {
        0 => End::Same,
        1 => End::Before(decoder.bytes()?),
        2 => End::Open,
        _ => return Err(decoder.field("end of a range")),
    };
    Ok(Keys { from, end })
}

fn decode_compare(decoder: &mut Decoder) -> Result<Compare, DecodeError> {
    let keys = decode_keys(decoder)?;
    let relation = RELATIONS.get(usize::from(decoder.u8()?));
    let relation = *relation.ok_or_else(|| decoder.field("relation"))?;
    let target = match decoder.u8()? {
        0 => Target::Version(decoder.i64()?),
        1 => Target::Created(decoder.i64()?),
        2 => Target::Modified(decoder.i64()?),
        3 => Target::Value(decoder.bytes()?),
        4 => Target::Lease(decoder.i64()?),
        _ => return Err(decoder.field("target")),
    };
    Ok(Compare {
        keys,
        relation,
        target,
    })
}
