//! How requests, administrative calls and the start of a node fail.

use node_engines::{Incarnation, OpenError, Rejection};
use node_replication::{AdminError, ClusterId, IdentityError, MemberId, ProposeError, Refusal};

/// Why a request was not answered as asked. Four kinds that are never mixed: rejected, surely not applied (unavailable,
/// fenced, busy, disk full), unknown, fatal.
#[derive(Clone, Debug, thiserror::Error)]
pub enum Failure {
    /// The reply of every node: the same request is refused again (unless the state moves on).
    #[error("{0}")]
    Rejected(#[from] Rejection),
    /// The position belongs to a history that is no more.
    #[error("the position is of incarnation {}, and the data of incarnation {}", given.0, current.0)]
    PositionOfThePast {
        /// The position's.
        given: Incarnation,
        /// The node's.
        current: Incarnation,
    },
    /// The position names a log that this cluster does not have.
    #[error("the position is of a log that this cluster does not have")]
    PositionOfAnotherLog,
    /// Whoever asks has a token that is none, or is over.
    #[error("the token is not good, or not any more: authenticate again")]
    InvalidToken,
    /// Surely not applied; it may work later, or on another node.
    #[error("not available now: {reason}")]
    Unavailable {
        /// What stood in the way.
        reason: String,
    },
    /// Surely not applied: this node serves no client because it was told so.
    #[error("this node is fenced and serves no client: ask another node")]
    Fenced,
    /// Surely not applied: too much is waiting.
    #[error("too many requests are waiting")]
    Busy,
    /// Surely not applied: a disk that would have to take it is nearly full. Reads go on.
    #[error("writes are refused: {whose} disk is nearly full")]
    DiskFull {
        /// This node's or the leader's.
        whose: &'static str,
    },
    /// May have been applied, or may still be.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What was lost.
        reason: String,
    },
    /// The node is stopping for good.
    #[error("the node stops: {reason}")]
    Fatal {
        /// Why.
        reason: String,
    },
}

impl From<ProposeError> for Failure {
    fn from(error: ProposeError) -> Failure {
        match error {
            ProposeError::Unavailable { reason, .. } => Failure::Unavailable { reason },
            ProposeError::Unknown { reason } => Failure::Unknown { reason },
            ProposeError::Busy => Failure::Busy,
            ProposeError::Stopped => Failure::Unavailable {
                reason: "the node is stopping".to_owned(),
            },
            ProposeError::Rejected(rejected) => match crate::stamper::NotStamped::decode(&rejected)
            {
                crate::stamper::NotStamped::DiskFull => Failure::DiskFull {
                    whose: "the leader's",
                },
                crate::stamper::NotStamped::Unreadable(why) => Failure::Unavailable {
                    reason: format!("the leader cannot read the proposal: {why}"),
                },
            },
        }
    }
}

/// Why an administrative call was not carried out.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AdminFailure {
    /// The call makes no sense; nothing was changed.
    #[error("{0}")]
    Invalid(String),
    /// Only the leader does this; nothing was changed.
    #[error("this node is not the leader")]
    NotLeader {
        /// The leader, where one is known.
        leader: Option<MemberId>,
    },
    /// The log's guard forbids it; nothing was changed.
    #[error("refused: {0}")]
    Guard(Refusal),
    /// Meant for another disk; nothing was changed.
    #[error("refused: this node is member {own}, not {named}")]
    OtherMember {
        /// This node.
        own: MemberId,
        /// The member that was named.
        named: MemberId,
    },
    /// Who asks for a recovery has not said that what is lost is lost; nothing was changed.
    #[error(
        "refused: a recovery gives up whatever only the other members had, and that was not acknowledged"
    )]
    LossNotAcknowledged,
    /// The cluster's own first entry is not in the log yet; nothing was changed.
    #[error("refused: the cluster is still being formed")]
    Forming,
    /// It could not be done now; nothing was changed.
    #[error("not available now: {reason}")]
    Unavailable {
        /// What stood in the way.
        reason: String,
    },
    /// It may have been done, in whole or in part.
    #[error("the outcome is unknown: {reason}")]
    Unknown {
        /// What was lost.
        reason: String,
    },
}

impl From<AdminError> for AdminFailure {
    fn from(error: AdminError) -> AdminFailure {
        match error {
            AdminError::NotLeader { leader } => AdminFailure::NotLeader { leader },
            AdminError::Refused(refusal) => AdminFailure::Guard(refusal),
            AdminError::Unavailable { reason } => AdminFailure::Unavailable { reason },
            AdminError::Unknown { reason } => AdminFailure::Unknown { reason },
            AdminError::Stopped => AdminFailure::Unavailable {
                reason: "the node is stopping".to_owned(),
            },
        }
    }
}

impl From<Failure> for AdminFailure {
    fn from(failure: Failure) -> AdminFailure {
        match failure {
            Failure::Unknown { reason } | Failure::Fatal { reason } => {
                AdminFailure::Unknown { reason }
            }
            Failure::Unavailable { reason } => AdminFailure::Unavailable { reason },
            refused @ (Failure::Rejected(_)
            | Failure::PositionOfThePast { .. }
            | Failure::PositionOfAnotherLog
            | Failure::InvalidToken
            | Failure::Fenced
            | Failure::Busy
            | Failure::DiskFull { .. }) => AdminFailure::Unavailable {
                reason: refused.to_string(),
            },
        }
    }
}

/// Why a node did not start. Its disk is as it was.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Another process uses the data folder.
    #[error("failed to lock the data folder {dir}: another process uses it")]
    InUse {
        /// The folder.
        dir: String,
    },
    /// Files of the node are not readable or writable.
    #[error("failed to {action}")]
    Files {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: std::io::Error,
    },
    /// A file of the node is damaged.
    #[error("failed to read the file {name} in the data folder: {why}")]
    Damaged {
        /// The file.
        name: &'static str,
        /// What is wrong.
        why: &'static str,
    },
    /// The identity is not usable.
    #[error("failed to open the identity of the node")]
    Identity(#[from] IdentityError),
    /// The state is of another cluster than the identity.
    #[error("refused to start: the disk's state is of cluster {state}, its identity of {}",
        identity.map_or("none".to_owned(), |id| id.to_string()))]
    OtherCluster {
        /// Whose state it is.
        state: ClusterId,
        /// What the identity says.
        identity: Option<ClusterId>,
    },
    /// The state can not be used and not be rebuilt.
    #[error("failed to open the state")]
    State(#[from] OpenError),
    /// The log did not start.
    #[error("failed to start the log")]
    Log(#[source] node_replication::StartError),
}

impl StartError {
    pub(crate) fn files(action: &'static str) -> impl FnOnce(std::io::Error) -> StartError {
        move |source| StartError::Files { action, source }
    }
}
