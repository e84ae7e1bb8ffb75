//! The rows of the state's tables.
//!
//! ```text
//! version  'v' version | modified u64 | created u64 | value_bytes u32 (of level 1: digested, and stored no more)
//! cluster  'c' version | genesis? id[16] voters u32 | open | incarnation u32 | feature level u32
//! members  'm' version | three sets of ids (members, voters, removed): count u32, then u64 each, ascending
//! head     'h' version | stamp | revision u64 | digest[32] | log id | membership | log id? | swept u64 u32 (from version 2)
//! request  'r' version | digest[32] | millis u64 | outcome
//! ```

use std::collections::BTreeSet;

use bytes::Bytes;
use indexmap::IndexSet;
use node_storage::Digest;

use super::DecodeError;
use super::code::{Decoder, Encoder, Format};
use super::entry::{read_stamp, stamp};
use crate::kv::{LeaseId, Place, Progress, Revision, Version};
use crate::requests::Record;
use crate::state::Head;
use crate::system::{Genesis, System};
use crate::{Applied, ClusterId, Incarnation, LogId};

const VERSION: Format = Format {
    name: "a key's version",
    kind: b'v',
    version: 1,
};
const CLUSTER: Format = Format {
    name: "the cluster's row",
    kind: b'c',
    version: 1,
};
const MEMBERS: Format = Format {
    name: "the members' row",
    kind: b'm',
    version: 1,
};
const HEAD: Format = Format {
    name: "the head of the state",
    kind: b'h',
    version: 2,
};
const RECORD: Format = Format {
    name: "a request's record",
    kind: b'r',
    version: 1,
};

/// More ids than a cluster ever has.
const IDS_MAX: usize = 1 << 24;

/// What a key's row said at level 1.
pub(crate) fn encode_version_1(version: Version) -> Bytes {
    let mut encoder = Encoder::new(VERSION, 20);
    encoder.u64(version.modified.0);
    encoder.u64(version.created.0);
    encoder.u32(version.value_bytes);
    encoder.finish()
}

pub(crate) fn decode_version_1(bytes: &Bytes) -> Result<Version, DecodeError> {
    let mut decoder = Decoder::new(VERSION, bytes)?;
    let version = Version {
        modified: Revision(decoder.u64()?),
        created: Revision(decoder.u64()?),
        value_bytes: decoder.u32()?,
        count: 1,
        lease: LeaseId::NONE,
        sub: 0,
    };
    decoder.finish()?;
    Ok(version)
}

pub(crate) fn encode_cluster(system: &System) -> Bytes {
    let mut encoder = Encoder::new(CLUSTER, 30);
    encoder.bool(system.genesis.is_some());
    if let Some(genesis) = system.genesis {
        encoder.raw(&genesis.cluster_id.0);
        encoder.u32(genesis.voters);
    }
    encoder.bool(system.open);
    encoder.u32(system.incarnation.0);
    encoder.u32(system.feature_level);
    encoder.finish()
}

/// Reads the cluster's row into `system`.
pub(crate) fn decode_cluster(bytes: &Bytes, system: &mut System) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(CLUSTER, bytes)?;
    system.genesis = match decoder.bool("genesis")? {
        true => {
            let (cluster_id, voters) = (ClusterId(decoder.array()?), decoder.u32()?);
            Some(Genesis { cluster_id, voters })
        }
        false => None,
    };
    system.open = decoder.bool("open")?;
    system.incarnation = Incarnation(decoder.u32()?);
    system.feature_level = decoder.u32()?;
    decoder.finish()
}

pub(crate) fn encode_members(system: &System) -> Bytes {
    let ids = system.members.len() + system.voters.len() + system.removed.len();
    let mut encoder = Encoder::new(MEMBERS, 12 + 8 * ids);
    put_ids(&mut encoder, &system.members);
    put_ids(&mut encoder, &system.voters);
    put_ids(&mut encoder, &system.removed);
    encoder.finish()
}

fn put_ids<'a>(
    encoder: &mut Encoder,
    ids: impl IntoIterator<Item = &'a u64, IntoIter: ExactSizeIterator>,
) {
    let ids = ids.into_iter();
    encoder.count(ids.len());
    for id in ids {
        encoder.u64(*id);
    }
}

/// Reads the members' row into `system`.
pub(crate) fn decode_members(bytes: &Bytes, system: &mut System) -> Result<(), DecodeError> {
    let mut decoder = Decoder::new(MEMBERS, bytes)?;
    system.members = sorted_ids(&mut decoder)?;
    system.voters = sorted_ids(&mut decoder)?;
    system.removed = removed_ids(&mut decoder)?;
    decoder.finish()
}

fn sorted_ids(decoder: &mut Decoder) -> Result<BTreeSet<u64>, DecodeError> {
    let mut ids = BTreeSet::new();
    for _ in 0..decoder.count("number of ids", IDS_MAX)? {
        let id = decoder.u64()?;
        if ids.last().is_some_and(|last| *last >= id) {
            return Err(decoder.field("order of ids"));
        }
        ids.insert(id);
    }
    Ok(ids)
}

fn removed_ids(decoder: &mut Decoder) -> Result<IndexSet<u64>, DecodeError> {
    let mut ids = IndexSet::new();
    for _ in 0..decoder.count("number of ids", IDS_MAX)? {
        if !ids.insert(decoder.u64()?) {
            return Err(decoder.field("an id that was removed twice"));
        }
    }
    Ok(ids)
}

/// The head's row, once something is applied.
pub(crate) fn encode_head(head: &Head, applied: &Applied) -> Bytes {
    let mut encoder = Encoder::new(HEAD, 160 + applied.membership.len());
    stamp(&mut encoder, head.stamp);
    encoder.u64(head.kv.revision.0);
    encoder.raw(&head.digest.0);
    log_id(&mut encoder, applied.last);
    encoder.bytes(&applied.membership);
    encoder.bool(applied.membership_at.is_some());
    if let Some(at) = applied.membership_at {
        log_id(&mut encoder, at);
    }
    encoder.u64(head.kv.swept.revision.0);
    encoder.u32(head.kv.swept.sub);
    encoder.finish()
}

/// The head's row. Where the history of the keys begins stands in a row of its own.
pub(crate) fn decode_head(bytes: &Bytes) -> Result<Head, DecodeError> {
    let mut decoder = Decoder::new(HEAD, bytes)?;
    let stamp = read_stamp(&mut decoder)?;
    let revision = Revision(decoder.u64()?);
    let digest = Digest(decoder.array()?);
    let last = read_log_id(&mut decoder)?;
    let membership = decoder.bytes()?;
    let membership_at = match decoder.bool("membership's place")? {
        true => Some(read_log_id(&mut decoder)?),
        false => None,
    };
    let swept = match decoder.version() {
        // It kept no history.
        1 => Place {
            revision,
            sub: u32::MAX,
        },
        _ => Place {
            revision: Revision(decoder.u64()?),
            sub: decoder.u32()?,
        },
    };
    decoder.finish()?;
    let applied = Some(Applied {
        last,
        membership,
        membership_at,
    });
    let kv = Progress {
        revision,
        compacted: Revision(0),
        swept,
    };
    Ok(Head {
        stamp,
        kv,
        digest,
        applied,
    })
}

fn log_id(encoder: &mut Encoder, id: LogId) {
    encoder.u64(id.term);
    encoder.u64(id.leader);
    encoder.u64(id.index);
}

fn read_log_id(decoder: &mut Decoder) -> Result<LogId, DecodeError> {
    Ok(LogId {
        term: decoder.u64()?,
        leader: decoder.u64()?,
        index: decoder.u64()?,
    })
}

pub(crate) fn encode_record(record: &Record) -> Bytes {
    let mut encoder = Encoder::new(RECORD, 48 + record.outcome.len());
    encoder.raw(&record.digest);
    encoder.u64(record.millis);
    encoder.bytes(&record.outcome);
    encoder.finish()
}

pub(crate) fn decode_record(bytes: &Bytes) -> Result<Record, DecodeError> {
    let mut decoder = Decoder::new(RECORD, bytes)?;
    let record = Record {
        digest: decoder.array()?,
        millis: decoder.u64()?,
        outcome: decoder.bytes()?,
    };
    decoder.finish()?;
    Ok(record)
}
