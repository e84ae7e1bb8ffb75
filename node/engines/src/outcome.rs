//! What became of an entry: the same on every node.

use bytes::Bytes;

use crate::format::{self, DecodeError};
use crate::{KEY_BYTES_MAX, Position, VALUE_BYTES_MAX, auth, kv, system};

/// The answer to one accepted command.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reply {
    /// Of the kv engine.
    Kv(kv::Reply),
    /// Of the users and roles.
    Auth(auth::Reply),
    /// Of the cluster's own state.
    System(system::Reply),
}

/// What became of an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// All of its commands were carried out.
    Accepted {
        /// Where in history that was. For a repeated request: where it was the first time.
        position: Position,
        /// One reply for each command but [`crate::Command::As`], in order; none for a change that is no command.
        replies: Vec<Reply>,
    },
    /// None of its commands were carried out, on any node.
    Rejected(Rejection),
}

/// Why an entry was refused. Deterministic: every node gives the same.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Rejection {
    /// The cluster is being formed: its intended voters have not all joined.
    #[error("the cluster is not open yet: its first voters have not all joined")]
    NotOpen,
    /// A key of no bytes.
    #[error("a key has at least one byte")]
    KeyEmpty,
    /// A key beyond [`KEY_BYTES_MAX`].
    #[error("the key has {bytes} bytes, more than {KEY_BYTES_MAX}")]
    KeyTooLarge {
        /// The key's length.
        bytes: u64,
    },
    /// A value beyond [`VALUE_BYTES_MAX`].
    #[error("the value has {bytes} bytes, more than {VALUE_BYTES_MAX}")]
    ValueTooLarge {
        /// The value's length.
        bytes: u64,
    },
    /// The request id was used for another body less than ten minutes ago.
    #[error("the request id was used for another request")]
    RequestIdReused,
    /// As many request ids as can be remembered were used within ten minutes.
    #[error(
        "too many request ids were used in the last ten minutes; try again later, or without one"
    )]
    Busy,
    /// The cluster already has another id, or another number of first voters.
    #[error("the cluster was already formed, as another one")]
    AlreadyFormed,
    /// A cluster of no voters.
    #[error("a cluster is formed of at least one voter")]
    NoVoters,
    /// A key that shall keep its value, or its lease, does not exist.
    #[error("there is no such key whose value or lease could be kept")]
    KeyNotFound,
    /// There is no such lease.
    #[error("there is no such lease: it ended, or was never made")]
    LeaseNotFound,
    /// There is such a lease already.
    #[error("there is such a lease already")]
    LeaseExists,
    /// The history before this revision was given up.
    #[error("the history before that revision was given up")]
    Compacted,
    /// No write has had this revision yet.
    #[error("no write has had that revision yet")]
    FutureRevision,
    /// The users and roles do not allow it.
    #[error(transparent)]
    Auth(#[from] auth::Refusal),
    /// An alarm says that the keys take more room than a member has for them.
    #[error(
        "the keys take more room than they may: delete some, compact, and end the alarm of that"
    )]
    NoSpace,
    /// An alarm says that the members' states are not equal.
    #[error("the states of members are not equal, says an alarm: nothing is changed until it ends")]
    Corrupt,
    /// The command belongs to a feature level that the cluster has not reached.
    #[error("the command needs feature level {needed}, and the cluster is at {active}")]
    FeatureLevel {
        /// The level that the command belongs to.
        needed: u32,
        /// The level that the cluster has reached.
        active: u32,
    },
}

impl Rejection {
    /// True where the same request may be accepted later, as the state and not the request was the reason: such an outcome is
    /// not kept under a request id.
    pub fn is_passing(self) -> bool {
        match self {
            Rejection::NotOpen
            | Rejection::RequestIdReused
            | Rejection::Busy
            | Rejection::KeyNotFound
            | Rejection::LeaseNotFound
            | Rejection::LeaseExists
            | Rejection::FutureRevision
            | Rejection::Auth(_)
            | Rejection::NoSpace
            | Rejection::Corrupt
            | Rejection::FeatureLevel { .. } => true,
            Rejection::KeyEmpty
            | Rejection::KeyTooLarge { .. }
            | Rejection::ValueTooLarge { .. }
            | Rejection::Compacted
            | Rejection::AlreadyFormed
            | Rejection::NoVoters => false,
        }
    }
}

impl Outcome {
    /// The outcome in its binary format.
    pub fn encode(&self) -> Bytes {
        format::outcome::encode(self)
    }

    /// Reads an outcome.
    pub fn decode(bytes: &Bytes) -> Result<Outcome, DecodeError> {
        format::outcome::decode(bytes)
    }
}
