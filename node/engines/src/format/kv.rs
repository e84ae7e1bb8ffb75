//! The rows of the keys.
//!
//! ```text
//! change    'k' version | created u64 | count u64 | lease u64 | value_bytes u32 | key, value, each behind its length
//! lease     'l' version | time to live in seconds u64 | index of the entry that granted it u64
//! alarm     'a' version (a row that is there is an alarm that is active: its key says which)
//! ```
//!
//! The place of a change is the key of its row. A count of 0 is a deletion. Of a large value only the length stands here.

use bytes::Bytes;

use super::DecodeError;
use super::code::{Decoder, Encoder, Format};
use crate::kv::{Alarm, AlarmKind, Grant, LeaseId, Place, Revision, Version};

const CHANGE: Format = Format {
    name: "a change of a key",
    kind: b'k',
    version: 1,
};
const LEASE: Format = Format {
    name: "a lease",
    kind: b'l',
    version: 1,
};
const ALARM: Format = Format {
    name: "an alarm",
    kind: b'a',
    version: 1,
};

/// The number of a kind of alarm.
pub(super) fn alarm_number(kind: AlarmKind) -> u8 {
    match kind {
        AlarmKind::NoSpace => 1,
        AlarmKind::Corrupt => 2,
    }
}

/// The kind that a number stands for.
pub(super) fn alarm_kind(number: u8) -> Option<AlarmKind> {
    match number {
        1 => Some(AlarmKind::NoSpace),
        2 => Some(AlarmKind::Corrupt),
        _ => None,
    }
}

/// The key of an alarm's row: its kind (u8), its member (u64, big endian).
pub(crate) fn alarm_key(alarm: Alarm) -> Bytes {
    let mut key = [alarm_number(alarm.kind); 9];
    let (_, member) = key.split_at_mut(1);
    member.copy_from_slice(&alarm.member.to_be_bytes());
    Bytes::copy_from_slice(&key)
}

pub(crate) fn encode_alarm() -> Bytes {
    Encoder::new(ALARM, 0).finish()
}

pub(crate) fn decode_alarm(key: &[u8], row: &Bytes) -> Result<Alarm, DecodeError> {
    Decoder::new(ALARM, row)?.finish()?;
    let alarm = || {
        let (kind, member) = key.split_first()?;
        Some(Alarm {
            kind: alarm_kind(*kind)?,
            member: u64::from_be_bytes(member.try_into().ok()?),
        })
    };
    alarm().ok_or(DecodeError::Field {
        format: ALARM.name,
        field: "key",
    })
}

pub(crate) fn encode_change(key: &[u8], version: Version, inline: &[u8]) -> Bytes {
    let mut encoder = Encoder::new(CHANGE, 36 + key.len() + inline.len());
    encoder.u64(version.created.0);
    encoder.u64(version.count);
    encoder.i64(version.lease.0);
    encoder.u32(version.value_bytes);
    encoder.bytes(key);
    encoder.bytes(inline);
    encoder.finish()
}

/// Key, version and value; no value where it is a large one.
pub(crate) fn decode_change(
    place: Place,
    row: &Bytes,
) -> Result<(Bytes, Version, Bytes), DecodeError> {
    let mut decoder = Decoder::new(CHANGE, row)?;
    let version = Version {
        modified: place.revision,
        sub: place.sub,
        created: Revision(decoder.u64()?),
        count: decoder.u64()?,
        lease: LeaseId(decoder.i64()?),
        value_bytes: decoder.u32()?,
    };
    let (key, value) = (decoder.bytes()?, decoder.bytes()?);
    decoder.finish()?;
    Ok((key, version, value))
}

pub(crate) fn encode_lease(grant: Grant) -> Bytes {
    let mut encoder = Encoder::new(LEASE, 16);
    encoder.u64(grant.ttl_seconds);
    encoder.u64(grant.index);
    encoder.finish()
}

pub(crate) fn decode_lease(row: &Bytes) -> Result<Grant, DecodeError> {
    let mut decoder = Decoder::new(LEASE, row)?;
    let grant = Grant {
        ttl_seconds: decoder.u64()?,
        index: decoder.u64()?,
    };
    decoder.finish()?;
    Ok(grant)
}
