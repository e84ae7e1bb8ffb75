//! Proposals and entries.
//!
//! ```text
//! proposal  'p' version | request? | commands
//! entry     'e' version | millis u64 | logical u32 | seed u64 | request? digest[32] | commands
//! request?  0  or  1, id behind its length
//! commands  count u32, then each: engine u8, command u8, fields (a step of a transaction: see `steps.rs`)
//! ```

use bytes::Bytes;

use super::DecodeError;
use super::code::{Decoder, Encoder, Format};
use super::kv::{alarm_kind, alarm_number};
use super::{auth, steps};
use crate::kv::{Alarm, LeaseId, Revision};
use crate::{
    COMMANDS_PER_ENTRY_MAX, ClusterId, Command, Entry, FEATURE_LEVEL_MAX, Incarnation, Proposal,
    RequestId, Stamp, kv, system,
};

const PROPOSAL: Format = Format {
    name: "a proposal",
    kind: b'p',
    version: 1,
};
const ENTRY: Format = Format {
    name: "an entry",
    kind: b'e',
    version: 1,
};

const KV: u8 = 1;
const KV_PUT: u8 = 1;
const KV_DELETE: u8 = 2;
const KV_STEP: u8 = 3;
const KV_COMPACT: u8 = 4;
const KV_GRANT: u8 = 5;
const KV_REVOKE: u8 = 6;
const KV_SWEEP: u8 = 7;
const KV_EXPIRE: u8 = 8;
const AUTH: u8 = 3;
const AUTH_AS: u8 = 1;
const KV_ACTIVATE: u8 = 9;
const KV_DEACTIVATE: u8 = 10;
const KV_ADVANCE: u8 = 11;
const SYSTEM: u8 = 2;
const SYSTEM_GENESIS: u8 = 1;
const SYSTEM_NOOP: u8 = 2;
const SYSTEM_RECOVER: u8 = 3;
const SYSTEM_RAISE: u8 = 4;

/// More than the fixed fields of an entry take.
const ENTRY_OVERHEAD: usize = 160;
/// More than the fixed fields of a command take.
const COMMAND_OVERHEAD: usize = 32;

pub(crate) fn encode_proposal(proposal: &Proposal) -> Bytes {
    let mut encoder = Encoder::new(
        PROPOSAL,
        ENTRY_OVERHEAD + commands_bytes(proposal.commands.iter()),
    );
    encoder.bool(proposal.request.is_some());
    if let Some(id) = &proposal.request {
        encoder.bytes(id.as_bytes());
    }
    commands(&mut encoder, proposal.commands.iter());
    encoder.finish()
}

pub(crate) fn decode_proposal(bytes: &Bytes) -> Result<Proposal, DecodeError> {
    let mut decoder = Decoder::new(PROPOSAL, bytes)?;
    let request = match decoder.bool("request")? {
        true => Some(request_id(&mut decoder)?),
        false => None,
    };
    let commands = read_commands(&mut decoder)?;
    decoder.finish()?;
    Ok(Proposal { request, commands })
}

pub(crate) fn encode_entry(entry: &Entry) -> Bytes {
    let mut encoder = Encoder::new(
        ENTRY,
        ENTRY_OVERHEAD + commands_bytes(entry.commands.iter()),
    );
    stamp(&mut encoder, entry.stamp);
    encoder.bool(entry.request.is_some());
    if let Some((id, digest)) = &entry.request {
        encoder.bytes(id.as_bytes());
        encoder.raw(digest);
    }
    commands(&mut encoder, entry.commands.iter());
    encoder.finish()
}

pub(crate) fn decode_entry(bytes: &Bytes) -> Result<Entry, DecodeError> {
    let mut decoder = Decoder::new(ENTRY, bytes)?;
    let stamp = read_stamp(&mut decoder)?;
    let request = match decoder.bool("request")? {
        true => Some((request_id(&mut decoder)?, decoder.array()?)),
        false => None,
    };
    let commands = read_commands(&mut decoder)?;
    decoder.finish()?;
    Ok(Entry {
        stamp,
        request,
        commands,
    })
}

/// The commands alone, without who asks for them: what the digest of a request is taken over.
pub(crate) fn encode_commands(list: &[Command]) -> Bytes {
    let asked = |command: &&Command| !matches!(command, Command::As(_));
    let list: Vec<&Command> = list.iter().filter(asked).collect();
    let mut encoder = Encoder::bare(commands_bytes(list.iter().copied()));
    commands(&mut encoder, list.into_iter());
    encoder.finish()
}

pub(super) fn stamp(encoder: &mut Encoder, stamp: Stamp) {
    encoder.u64(stamp.millis);
    encoder.u32(stamp.logical);
    encoder.u64(stamp.seed);
}

pub(super) fn read_stamp(decoder: &mut Decoder) -> Result<Stamp, DecodeError> {
    Ok(Stamp {
        millis: decoder.u64()?,
        logical: decoder.u32()?,
        seed: decoder.u64()?,
    })
}

fn request_id(decoder: &mut Decoder) -> Result<RequestId, DecodeError> {
    RequestId::new(decoder.bytes()?).map_err(|_| decoder.field("request id"))
}

fn commands_bytes<'a>(commands: impl Iterator<Item = &'a Command>) -> usize {
    let bytes = |command: &Command| match command {
        Command::Kv(kv::Command::Put { key, value }) => key.len() + value.len(),
        Command::Kv(kv::Command::Delete { key }) => key.len(),
        Command::Kv(kv::Command::Step(step)) => steps::bytes(step),
        Command::As(asker) => auth::asker_bytes(asker),
        Command::Auth(command) => auth::bytes(command),
        Command::Kv(_) | Command::System(_) => 0,
    };
    commands
        .map(|command| COMMAND_OVERHEAD + bytes(command))
        .sum()
}

fn commands<'a>(encoder: &mut Encoder, commands: impl ExactSizeIterator<Item = &'a Command>) {
    encoder.count(commands.len());
    for command in commands {
        match command {
            Command::Kv(command) => kv_command(encoder, command),
            Command::As(asker) => {
                encoder.raw(&[AUTH, AUTH_AS]);
                auth::encode_asker(encoder, asker);
            }
            Command::Auth(command) => {
                encoder.u8(AUTH);
                auth::encode(encoder, command);
            }
            Command::System(command) => system_command(encoder, *command),
        }
    }
}

fn kv_command(encoder: &mut Encoder, command: &kv::Command) {
    match command {
        kv::Command::Put { key, value } => {
            encoder.raw(&[KV, KV_PUT]);
            encoder.bytes(key);
            encoder.bytes(value);
        }
        kv::Command::Delete { key } => {
            encoder.raw(&[KV, KV_DELETE]);
            encoder.bytes(key);
        }
        kv::Command::Step(step) => {
            encoder.raw(&[KV, KV_STEP]);
            steps::encode(encoder, step);
        }
        kv::Command::Compact { revision } => {
            encoder.raw(&[KV, KV_COMPACT]);
            encoder.u64(revision.0);
        }
        kv::Command::Advance { revision } => {
            encoder.raw(&[KV, KV_ADVANCE]);
            encoder.u64(revision.0);
        }
        kv::Command::Grant { lease, ttl_seconds } => {
            encoder.raw(&[KV, KV_GRANT]);
            encoder.i64(lease.0);
            encoder.u64(*ttl_seconds);
        }
        kv::Command::Revoke { lease } => {
            encoder.raw(&[KV, KV_REVOKE]);
            encoder.i64(lease.0);
        }
        kv::Command::Expire {
            lease,
            granted,
            term,
        } => {
            encoder.raw(&[KV, KV_EXPIRE]);
            encoder.i64(lease.0);
            encoder.u64(*granted);
            encoder.u64(*term);
        }
        kv::Command::Sweep => encoder.raw(&[KV, KV_SWEEP]),
        kv::Command::Activate(alarm) => {
            encoder.raw(&[KV, KV_ACTIVATE]);
            put_alarm(encoder, *alarm);
        }
        kv::Command::Deactivate(alarm) => {
            encoder.raw(&[KV, KV_DEACTIVATE]);
            put_alarm(encoder, *alarm);
        }
    }
}

fn put_alarm(encoder: &mut Encoder, alarm: Alarm) {
    encoder.u8(alarm_number(alarm.kind));
    encoder.u64(alarm.member);
}

fn read_alarm(decoder: &mut Decoder) -> Result<Alarm, DecodeError> {
    let kind = alarm_kind(decoder.u8()?).ok_or_else(|| decoder.field("alarm"))?;
    let member = decoder.u64()?;
    Ok(Alarm { kind, member })
}

fn system_command(encoder: &mut Encoder, command: system::Command) {
    match command {
        system::Command::Genesis { cluster_id, voters } => {
            encoder.raw(&[SYSTEM, SYSTEM_GENESIS]);
            encoder.raw(&cluster_id.0);
            encoder.u32(voters);
        }
        system::Command::Noop => encoder.raw(&[SYSTEM, SYSTEM_NOOP]),
        system::Command::Recover { incarnation } => {
            encoder.raw(&[SYSTEM, SYSTEM_RECOVER]);
            encoder.u32(incarnation.0);
        }
        system::Command::Raise { feature_level } => {
            encoder.raw(&[SYSTEM, SYSTEM_RAISE]);
            encoder.u32(feature_level);
        }
    }
}

fn read_commands(decoder: &mut Decoder) -> Result<Vec<Command>, DecodeError> {
    // Beside who asks for them.
    let count = decoder.count("number of commands", COMMANDS_PER_ENTRY_MAX + 1)?;
    (0..count).map(|_| read_command(decoder)).collect()
}

fn read_command(decoder: &mut Decoder) -> Result<Command, DecodeError> {
    let [engine, command] = decoder.array()?;
    match engine {
        KV => read_kv_command(decoder, command).map(Command::Kv),
        AUTH if command == AUTH_AS => auth::decode_asker(decoder).map(Command::As),
        AUTH => auth::decode(decoder, command).map(Command::Auth),
        SYSTEM => read_system_command(decoder, command).map(Command::System),
        _ => Err(decoder.field("engine")),
    }
}

fn read_kv_command(decoder: &mut Decoder, command: u8) -> Result<kv::Command, DecodeError> {
    Ok(match command {
        KV_PUT => {
            let (key, value) = (decoder.bytes()?, decoder.bytes()?);
            kv::Command::Put { key, value }
        }
        KV_DELETE => kv::Command::Delete {
            key: decoder.bytes()?,
        },
        KV_STEP => kv::Command::Step(steps::decode(decoder)?),
        KV_COMPACT => kv::Command::Compact {
            revision: Revision(decoder.u64()?),
        },
        KV_GRANT => {
            let (lease, ttl_seconds) = (LeaseId(decoder.i64()?), decoder.u64()?);
            kv::Command::Grant { lease, ttl_seconds }
        }
        KV_REVOKE => kv::Command::Revoke {
            lease: LeaseId(decoder.i64()?),
        },
        KV_EXPIRE => {
            let (lease, granted) = (LeaseId(decoder.i64()?), decoder.u64()?);
            let term = decoder.u64()?;
            kv::Command::Expire {
                lease,
                granted,
                term,
            }
        }
        KV_SWEEP => kv::Command::Sweep,
        KV_ACTIVATE => kv::Command::Activate(read_alarm(decoder)?),
        KV_DEACTIVATE => kv::Command::Deactivate(read_alarm(decoder)?),
        KV_ADVANCE => kv::Command::Advance {
            revision: Revision(decoder.u64()?),
        },
        _ => return Err(decoder.field("command")),
    })
}

fn read_system_command(decoder: &mut Decoder, command: u8) -> Result<system::Command, DecodeError> {
    Ok(match command {
        SYSTEM_GENESIS => {
            let (cluster_id, voters) = (ClusterId(decoder.array()?), decoder.u32()?);
            system::Command::Genesis { cluster_id, voters }
        }
        SYSTEM_NOOP => system::Command::Noop,
        SYSTEM_RECOVER => {
            let incarnation = Incarnation(decoder.u32()?);
            system::Command::Recover { incarnation }
        }
        SYSTEM_RAISE => match decoder.u32()? {
            feature_level @ ..=FEATURE_LEVEL_MAX => system::Command::Raise { feature_level },
            needed => return Err(DecodeError::FeatureLevel { needed }),
        },
        _ => return Err(decoder.field("command")),
    })
}
