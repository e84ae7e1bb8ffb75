//! The one list of error codes, of the data interface and the admin protocol alike.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// What went wrong, as a word that programs compare.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// The request is malformed.
    BadRequest,
    /// There is nothing at this path.
    NotFound,
    /// The key has no value.
    KeyNotFound,
    /// The method means nothing here.
    MethodNotAllowed,
    /// The key has no bytes.
    KeyEmpty,
    /// The key is too long.
    KeyTooLarge,
    /// The value is too long.
    ValueTooLarge,
    /// The request id was used for another request.
    RequestIdReused,
    /// The client took too long to send its request.
    RequestTimeout,
    /// No session, or one that ended; or nobody said who asks, or with a token that is not good.
    Unauthenticated,
    /// The user may not do that.
    PermissionDenied,
    /// Only the leader does this.
    NotLeader,
    /// A guard forbids it; nothing was changed.
    Refused,
    /// The command belongs to a newer feature level than the cluster has reached.
    FeatureLevel,
    /// The cluster is being formed and takes no data yet.
    NotOpen,
    /// Surely not applied.
    Unavailable,
    /// Surely not applied: too much is waiting.
    Busy,
    /// Surely not applied: the disk is nearly full.
    DiskFull,
    /// Surely not applied: the keys take more room than they may, or a member said so and its alarm is still active.
    NoSpace,
    /// May have been applied.
    Unknown,
    /// The node is stopping for good.
    Fatal,
}

impl ErrorCode {
    const ALL: [ErrorCode; 21] = [
        ErrorCode::BadRequest,
        ErrorCode::NotFound,
        ErrorCode::KeyNotFound,
        ErrorCode::MethodNotAllowed,
        ErrorCode::KeyEmpty,
        ErrorCode::KeyTooLarge,
        ErrorCode::ValueTooLarge,
        ErrorCode::RequestIdReused,
        ErrorCode::RequestTimeout,
        ErrorCode::Unauthenticated,
        ErrorCode::PermissionDenied,
        ErrorCode::NotLeader,
        ErrorCode::Refused,
        ErrorCode::FeatureLevel,
        ErrorCode::NotOpen,
        ErrorCode::Unavailable,
        ErrorCode::Busy,
        ErrorCode::DiskFull,
        ErrorCode::NoSpace,
        ErrorCode::Unknown,
        ErrorCode::Fatal,
    ];

    /// The word itself.
    pub fn as_str(self) -> &'static str {
        match self {
            ErrorCode::BadRequest => "bad_request",
            ErrorCode::NotFound => "not_found",
            ErrorCode::KeyNotFound => "key_not_found",
            ErrorCode::MethodNotAllowed => "method_not_allowed",
            ErrorCode::KeyEmpty => "key_empty",
            ErrorCode::KeyTooLarge => "key_too_large",
            ErrorCode::ValueTooLarge => "value_too_large",
            ErrorCode::RequestIdReused => "request_id_reused",
            ErrorCode::RequestTimeout => "request_timeout",
            ErrorCode::Unauthenticated => "unauthenticated",
            ErrorCode::PermissionDenied => "permission_denied",
            ErrorCode::NotLeader => "not_leader",
            ErrorCode::Refused => "refused",
            ErrorCode::FeatureLevel => "feature_level",
            ErrorCode::NotOpen => "not_open",
            ErrorCode::Unavailable => "unavailable",
            ErrorCode::Busy => "busy",
            ErrorCode::DiskFull => "disk_full",
            ErrorCode::NoSpace => "no_space",
            ErrorCode::Unknown => "unknown",
            ErrorCode::Fatal => "fatal",
        }
    }
}

impl fmt::Display for ErrorCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A word that is no error code this program knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read an error code: it is not one of the known words")]
pub struct UnknownCode;

impl FromStr for ErrorCode {
    type Err = UnknownCode;

    fn from_str(word: &str) -> Result<ErrorCode, UnknownCode> {
        ErrorCode::ALL
            .into_iter()
            .find(|code| code.as_str() == word)
            .ok_or(UnknownCode)
    }
}

/// The body of every failed request to the data interface, as JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ErrorBody {
    /// What went wrong, for programs.
    pub code: ErrorCode,
    /// What went wrong, for people.
    pub message: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_has_one_spelling_everywhere() {
        for code in ErrorCode::ALL {
            assert_eq!(code.as_str().parse(), Ok(code));
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
        }
        assert_eq!("nonsense".parse::<ErrorCode>(), Err(UnknownCode));
    }
}
