//! What is proposed, and what stands in the log.

use bytes::Bytes;
use node_storage::Digest;

use crate::auth::Asker;
use crate::format::{self, DecodeError};
use crate::{RequestId, Stamp, auth, kv, system};

/// A change asked of one engine, or who asks for those after it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Whoever asks for the commands after it in the entry. Without it they are asked for by someone who has not said who they
    /// are. It has no reply, and is no part of what a request id stands for.
    As(Asker),
    /// Of the keys.
    Kv(kv::Command),
    /// Of the users and roles.
    Auth(auth::Command),
    /// Of the cluster's own state.
    System(system::Command),
}

/// What a node proposes, before it is ordered. A follower passes it on to the leader in this form.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proposal {
    /// The client's name for the request, where it gave one.
    pub request: Option<RequestId>,
    /// The changes; all are made, or none.
    pub commands: Vec<Command>,
}

/// What stands in the log: a proposal with the stamp that the leader gave it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The entry's time and chance.
    pub stamp: Stamp,
    /// The client's name for the request and the digest of its commands, by which another body under the same name is known.
    pub request: Option<(RequestId, [u8; 32])>,
    /// The changes; all are made, or none.
    pub commands: Vec<Command>,
}

impl Command {
    /// The feature level that a cluster must have reached for this command.
    pub fn feature_level(&self) -> u32 {
        match self {
            Command::Kv(command) => command.feature_level(),
            Command::As(_) | Command::Auth(_) => 2,
            Command::System(
                system::Command::Genesis { .. }
                | system::Command::Noop
                | system::Command::Recover { .. }
                // The command by which a higher level is reached belongs to the lowest.
                | system::Command::Raise { .. },
            ) => 1,
        }
    }
}

impl Proposal {
    /// The proposal in its binary format.
    pub fn encode(&self) -> Bytes {
        format::entry::encode_proposal(self)
    }

    /// Reads a proposal. The keys and values share the buffer of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Proposal, DecodeError> {
        format::entry::decode_proposal(bytes)
    }
}

impl Entry {
    /// The entry that a leader makes of a proposal.
    pub fn stamped(proposal: Proposal, stamp: Stamp) -> Entry {
        let Proposal { request, commands } = proposal;
        let request = request.map(|id| {
            let digest = Digest::of(&format::entry::encode_commands(&commands));
            (id, digest.0)
        });
        Entry {
            stamp,
            request,
            commands,
        }
    }

    /// The entry in its binary format.
    pub fn encode(&self) -> Bytes {
        format::entry::encode_entry(self)
    }

    /// Reads an entry. The keys and values share the buffer of `bytes`.
    pub fn decode(bytes: &Bytes) -> Result<Entry, DecodeError> {
        format::entry::decode_entry(bytes)
    }
}
