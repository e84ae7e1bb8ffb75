//! How a call of the admin protocol fails.

use tonic::{Code, Status};

use crate::{CODE_METADATA, ErrorCode, LEADER_METADATA};

/// Why a call of the admin protocol has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The endpoint is no "host:port".
    #[error("failed to read the admin endpoint {endpoint:?}: {reason}")]
    Endpoint {
        /// What was given.
        endpoint: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The node does not accept the cluster key.
    #[error("failed to open a session: the node does not accept this cluster key ({message})")]
    WrongKey {
        /// What the node said.
        message: String,
    },
    /// Refused; nothing was changed.
    #[error("{message}")]
    Refused {
        /// Which guard refused.
        code: ErrorCode,
        /// What the node said.
        message: String,
        /// The member to ask instead, where the node knows one.
        leader: Option<u64>,
    },
    /// Not done, surely; it may work later.
    #[error("failed to reach the node or its cluster: {message}")]
    Unavailable {
        /// What stood in the way.
        message: String,
    },
    /// It may have been done.
    #[error("failed to learn the outcome: {message}")]
    Unknown {
        /// What was lost.
        message: String,
    },
}

impl CallError {
    pub(crate) fn from_status(status: &Status) -> CallError {
        let message = status.message().to_owned();
        let text = |name| status.metadata().get(name)?.to_str().ok();
        let code: Option<ErrorCode> = text(CODE_METADATA).and_then(|word| word.parse().ok());
        let leader = text(LEADER_METADATA).and_then(|id| id.parse().ok());
        let refused = |otherwise| CallError::Refused {
            code: code.unwrap_or(otherwise),
            message: message.clone(),
            leader,
        };
        match status.code() {
            Code::Unauthenticated | Code::PermissionDenied => CallError::WrongKey { message },
            Code::FailedPrecondition => refused(ErrorCode::Refused),
            Code::InvalidArgument | Code::Unimplemented | Code::OutOfRange => {
                refused(ErrorCode::BadRequest)
            }
            // Without our own code the status comes from the transport, which does not know how far the call came.
            Code::Unavailable | Code::ResourceExhausted if code.is_some() => {
                CallError::Unavailable { message }
            }
            Code::Unavailable if never_sent(status) => CallError::Unavailable { message },
            _ => CallError::Unknown { message },
        }
    }
}

/// Whether the connection was never made.
fn never_sent(status: &Status) -> bool {
    let mut cause = std::error::Error::source(status);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<std::io::Error>() {
            return error.kind() == std::io::ErrorKind::ConnectionRefused;
        }
        cause = error.source();
    }
    false
}
