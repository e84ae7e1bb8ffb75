//! How a call of the data interface fails.

use crate::{ErrorBody, ErrorCode};

/// Why a call of the data interface has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DataError {
    /// The address is not usable.
    #[error("failed to read the address {url:?}: {reason}")]
    Url {
        /// What was given.
        url: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The request was refused, and will be again.
    #[error("{} (HTTP {status}, {})", body.message, body.code)]
    Rejected {
        /// The status code, 4xx.
        status: u16,
        /// What the node said.
        body: ErrorBody,
    },
    /// Surely not applied.
    #[error("failed to reach the cluster: {message}")]
    Unavailable {
        /// The node's word for it, where it gave one.
        code: Option<ErrorCode>,
        /// What stood in the way.
        message: String,
    },
    /// May have been applied.
    #[error("failed to learn the outcome: {message}")]
    Unknown {
        /// What was lost.
        message: String,
    },
}

impl DataError {
    pub(crate) fn of_answer(status: u16, body: &[u8]) -> DataError {
        DataError::of_body(status, serde_json::from_slice(body).ok())
    }

    pub(crate) fn of_body(status: u16, body: Option<ErrorBody>) -> DataError {
        let message = body
            .as_ref()
            .map_or_else(|| format!("HTTP {status}"), |b| b.message.clone());
        match (status, body) {
            (503, body) => DataError::Unavailable {
                code: body.map(|b| b.code),
                message,
            },
            (400..=499, Some(body)) => DataError::Rejected { status, body },
            _ => DataError::Unknown { message },
        }
    }
}
