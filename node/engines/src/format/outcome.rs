//! Outcomes: the bytes with which the log answers a proposal.
//!
//! ```text
//! outcome   'o' version | 0 | log u32 | incarnation u32 | index u64 | count u32, then each: engine u8, reply u8, fields
//!           'o' version | reason u8 | fields
//! done      1 (a range)  |  2 (a put)  |  3 keys u32 (a delete)  |  4 succeeded u8, count u32, each done (a transaction)
//! ```

use bytes::Bytes;

use super::DecodeError;
use super::code::{Decoder, Encoder, Format};
use crate::auth::Refusal;
use crate::kv::{Done, LeaseId, Revision};
use crate::{
    COMMANDS_PER_ENTRY_MAX, Incarnation, LogIndex, LogNumber, Outcome, Position, Rejection, Reply,
    STEPS_PER_TXN_MAX, auth, kv, system,
};

const OUTCOME: Format = Format {
    name: "an outcome",
    kind: b'o',
    version: 1,
};

const ACCEPTED: u8 = 0;
const NOT_OPEN: u8 = 1;
const KEY_EMPTY: u8 = 2;
const KEY_TOO_LARGE: u8 = 3;
const VALUE_TOO_LARGE: u8 = 4;
const REQUEST_ID_REUSED: u8 = 5;
const BUSY: u8 = 6;
const ALREADY_FORMED: u8 = 7;
const NO_VOTERS: u8 = 8;
const FEATURE_LEVEL: u8 = 9;

const KEY_NOT_FOUND: u8 = 10;
const LEASE_NOT_FOUND: u8 = 11;
const LEASE_EXISTS: u8 = 12;
const COMPACTED: u8 = 13;
const FUTURE_REVISION: u8 = 14;
const NO_SPACE: u8 = 15;
const CORRUPT: u8 = 16;

/// Of the users and roles; which one is a byte after it.
const AUTH_REFUSAL: u8 = 17;

const KV: u8 = 1;
const KV_PUT: u8 = 1;
const KV_DELETE: u8 = 2;
const KV_STEP: u8 = 3;
const KV_COMPACTED: u8 = 4;
const KV_GRANTED: u8 = 5;
const KV_REVOKED: u8 = 6;
const KV_ALARMED: u8 = 7;
const DONE_RANGE: u8 = 1;
const DONE_PUT: u8 = 2;
const DONE_DELETE: u8 = 3;
const DONE_TXN: u8 = 4;
const AUTH: u8 = 3;
const AUTH_DONE: u8 = 1;
const SYSTEM: u8 = 2;
const SYSTEM_DONE: u8 = 1;

/// By their numbers.
const REFUSALS: [Refusal; 14] = [
    Refusal::NoRootUser,
    Refusal::NoRootRole,
    Refusal::UserEmpty,
    Refusal::UserExists,
    Refusal::UserNotFound,
    Refusal::RoleEmpty,
    Refusal::RoleExists,
    Refusal::RoleNotFound,
    Refusal::RoleNotGranted,
    Refusal::PermissionNotGranted,
    Refusal::InvalidManagement,
    Refusal::OldRevision,
    Refusal::PermissionDenied,
    Refusal::TooMany,
];

const OVERHEAD: usize = 32;
const REPLY_BYTES: usize = 11;

pub(crate) fn encode(outcome: &Outcome) -> Bytes {
    match outcome {
        Outcome::Accepted { position, replies } => {
            let mut encoder = Encoder::new(OUTCOME, OVERHEAD + REPLY_BYTES * replies.len());
            encoder.u8(ACCEPTED);
            encoder.u32(position.log.0);
            encoder.u32(position.incarnation.0);
            encoder.u64(position.index.0);
            encoder.count(replies.len());
            for reply in replies {
                encode_reply(&mut encoder, reply);
            }
            encoder.finish()
        }
        Outcome::Rejected(rejection) => {
            let mut encoder = Encoder::new(OUTCOME, OVERHEAD);
            encode_rejection(&mut encoder, *rejection);
            encoder.finish()
        }
    }
}

pub(crate) fn decode(bytes: &Bytes) -> Result<Outcome, DecodeError> {
    let mut decoder = Decoder::new(OUTCOME, bytes)?;
    let outcome = match decoder.u8()? {
        ACCEPTED => {
            let position = Position {
                log: LogNumber(decoder.u32()?),
                incarnation: Incarnation(decoder.u32()?),
                index: LogIndex(decoder.u64()?),
            };
            let count = decoder.count("number of replies", COMMANDS_PER_ENTRY_MAX)?;
            let replies = (0..count)
                .map(|_| decode_reply(&mut decoder))
                .collect::<Result<_, _>>()?;
            Outcome::Accepted { position, replies }
        }
        reason => Outcome::Rejected(decode_rejection(&mut decoder, reason)?),
    };
    decoder.finish()?;
    Ok(outcome)
}

fn encode_reply(encoder: &mut Encoder, reply: &Reply) {
    match reply {
        Reply::Kv(kv::Reply::Step { before, done }) => {
            encoder.raw(&[KV, KV_STEP]);
            encoder.u64(before.0);
            encode_done(encoder, done);
        }
        Reply::Kv(kv::Reply::Compacted { revision }) => {
            encoder.raw(&[KV, KV_COMPACTED]);
            encoder.u64(revision.0);
        }
        Reply::Kv(kv::Reply::Granted { lease, revision }) => {
            encoder.raw(&[KV, KV_GRANTED]);
            encoder.i64(lease.0);
            encoder.u64(revision.0);
        }
        Reply::Kv(kv::Reply::Revoked { revision }) => {
            encoder.raw(&[KV, KV_REVOKED]);
            encoder.u64(revision.0);
        }
        Reply::Kv(kv::Reply::Alarmed { was_active }) => {
            encoder.raw(&[KV, KV_ALARMED]);
            encoder.bool(*was_active);
        }
        Reply::Kv(kv::Reply::Put { revision, created }) => {
            encoder.raw(&[KV, KV_PUT]);
            encoder.u64(revision.0);
            encoder.bool(*created);
        }
        Reply::Kv(kv::Reply::Delete { revision, existed }) => {
            encoder.raw(&[KV, KV_DELETE]);
            encoder.u64(revision.0);
            encoder.bool(*existed);
        }
        Reply::Auth(auth::Reply) => encoder.raw(&[AUTH, AUTH_DONE]),
        Reply::System(system::Reply) => encoder.raw(&[SYSTEM, SYSTEM_DONE]),
    }
}

fn decode_reply(decoder: &mut Decoder) -> Result<Reply, DecodeError> {
    let [engine, reply] = decoder.array()?;
    Ok(match (engine, reply) {
        (KV, KV_PUT) => {
            let (revision, created) = (Revision(decoder.u64()?), decoder.bool("created")?);
            Reply::Kv(kv::Reply::Put { revision, created })
        }
        (KV, KV_DELETE) => {
            let (revision, existed) = (Revision(decoder.u64()?), decoder.bool("existed")?);
            Reply::Kv(kv::Reply::Delete { revision, existed })
        }
        (KV, KV_STEP) => {
            let before = Revision(decoder.u64()?);
            let mut left = STEPS_PER_TXN_MAX;
            let done = decode_done(decoder, &mut left)?;
            Reply::Kv(kv::Reply::Step { before, done })
        }
        (KV, KV_COMPACTED) => Reply::Kv(kv::Reply::Compacted {
            revision: Revision(decoder.u64()?),
        }),
        (KV, KV_GRANTED) => {
            let (lease, revision) = (LeaseId(decoder.i64()?), Revision(decoder.u64()?));
            Reply::Kv(kv::Reply::Granted { lease, revision })
        }
        (KV, KV_REVOKED) => Reply::Kv(kv::Reply::Revoked {
            revision: Revision(decoder.u64()?),
        }),
        (AUTH, AUTH_DONE) => Reply::Auth(auth::Reply),
        (KV, KV_ALARMED) => Reply::Kv(kv::Reply::Alarmed {
            was_active: decoder.bool("alarm")?,
        }),
        (SYSTEM, SYSTEM_DONE) => Reply::System(system::Reply),
        _ => return Err(decoder.field("reply")),
    })
}

fn encode_done(encoder: &mut Encoder, done: &Done) {
    match done {
        Done::Range => encoder.u8(DONE_RANGE),
        Done::Put => encoder.u8(DONE_PUT),
        Done::Delete(keys) => {
            encoder.u8(DONE_DELETE);
            encoder.u32(*keys);
        }
        Done::Txn { succeeded, done } => {
            encoder.u8(DONE_TXN);
            encoder.bool(*succeeded);
            encoder.count(done.len());
            for done in done {
                encode_done(encoder, done);
            }
        }
    }
}

/// Reads what a step did, with a bounded number of steps within it; so it is bounded in depth too.
fn decode_done(decoder: &mut Decoder, left: &mut usize) -> Result<Done, DecodeError> {
    Ok(match decoder.u8()? {
        DONE_RANGE => Done::Range,
        DONE_PUT => Done::Put,
        DONE_DELETE => Done::Delete(decoder.u32()?),
        DONE_TXN => {
            let succeeded = decoder.bool("branch")?;
            let count = decoder.count("number of steps", *left)?;
            *left -= count;
            let done = (0..count).map(|_| decode_done(decoder, left));
            Done::Txn {
                succeeded,
                done: done.collect::<Result<_, _>>()?,
            }
        }
        _ => return Err(decoder.field("step")),
    })
}

fn encode_rejection(encoder: &mut Encoder, rejection: Rejection) {
    match rejection {
        Rejection::NotOpen => encoder.u8(NOT_OPEN),
        Rejection::KeyEmpty => encoder.u8(KEY_EMPTY),
        Rejection::KeyTooLarge { bytes } => {
            encoder.u8(KEY_TOO_LARGE);
            encoder.u64(bytes);
        }
        Rejection::ValueTooLarge { bytes } => {
            encoder.u8(VALUE_TOO_LARGE);
            encoder.u64(bytes);
        }
        Rejection::RequestIdReused => encoder.u8(REQUEST_ID_REUSED),
        Rejection::Busy => encoder.u8(BUSY),
        Rejection::AlreadyFormed => encoder.u8(ALREADY_FORMED),
        Rejection::NoVoters => encoder.u8(NO_VOTERS),
        Rejection::KeyNotFound => encoder.u8(KEY_NOT_FOUND),
        Rejection::LeaseNotFound => encoder.u8(LEASE_NOT_FOUND),
        Rejection::LeaseExists => encoder.u8(LEASE_EXISTS),
        Rejection::Compacted => encoder.u8(COMPACTED),
        Rejection::FutureRevision => encoder.u8(FUTURE_REVISION),
        Rejection::Auth(refusal) => {
            encoder.u8(AUTH_REFUSAL);
            encoder.u8(refusal_number(refusal));
        }
        Rejection::NoSpace => encoder.u8(NO_SPACE),
        Rejection::Corrupt => encoder.u8(CORRUPT),
        Rejection::FeatureLevel { needed, active } => {
            encoder.u8(FEATURE_LEVEL);
            encoder.u32(needed);
            encoder.u32(active);
        }
    }
}

fn decode_rejection(decoder: &mut Decoder, reason: u8) -> Result<Rejection, DecodeError> {
    Ok(match reason {
        NOT_OPEN => Rejection::NotOpen,
        KEY_EMPTY => Rejection::KeyEmpty,
        KEY_TOO_LARGE => Rejection::KeyTooLarge {
            bytes: decoder.u64()?,
        },
        VALUE_TOO_LARGE => Rejection::ValueTooLarge {
            bytes: decoder.u64()?,
        },
        REQUEST_ID_REUSED => Rejection::RequestIdReused,
        BUSY => Rejection::Busy,
        ALREADY_FORMED => Rejection::AlreadyFormed,
        NO_VOTERS => Rejection::NoVoters,
        KEY_NOT_FOUND => Rejection::KeyNotFound,
        LEASE_NOT_FOUND => Rejection::LeaseNotFound,
        LEASE_EXISTS => Rejection::LeaseExists,
        COMPACTED => Rejection::Compacted,
        FUTURE_REVISION => Rejection::FutureRevision,
        AUTH_REFUSAL => {
            let number = decoder.u8()?;
            let refusal = REFUSALS.get(usize::from(number));
            Rejection::Auth(*refusal.ok_or_else(|| decoder.field("refusal"))?)
        }
        NO_SPACE => Rejection::NoSpace,
        CORRUPT => Rejection::Corrupt,
        FEATURE_LEVEL => Rejection::FeatureLevel {
            needed: decoder.u32()?,
            active: decoder.u32()?,
        },
        _ => return Err(decoder.field("reason")),
    })
}

fn refusal_number(refusal: Refusal) -> u8 {
    match refusal {
        Refusal::NoRootUser => 0,
        Refusal::NoRootRole => 1,
        Refusal::UserEmpty => 2,
        Refusal::UserExists => 3,
        Refusal::UserNotFound => 4,
        Refusal::RoleEmpty => 5,
        Refusal::RoleExists => 6,
        Refusal::RoleNotFound => 7,
        Refusal::RoleNotGranted => 8,
        Refusal::PermissionNotGranted => 9,
        Refusal::InvalidManagement => 10,
        Refusal::OldRevision => 11,
        Refusal::PermissionDenied => 12,
        Refusal::TooMany => 13,
    }
}
