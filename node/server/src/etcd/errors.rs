//! Failures in etcd's words.

use node_api::etcd::Error;
use node_engines::Rejection;
use node_engines::auth::Refusal;
use tonic::{Code, Status};

use crate::errors::Failure;

/// What a client of etcd is told. Of a write it is never a refusal where its outcome is not known.
pub fn status(failure: Failure) -> Status {
    match failure {
        Failure::Rejected(rejection) => refused(rejection),
        Failure::InvalidToken => Error::InvalidAuthToken.into(),
        Failure::Unavailable { reason } => named(Error::NoLeader, &reason),
        Failure::Unknown { reason } => named(Error::Timeout, &reason),
        Failure::Busy => Error::RequestTooManyRequests.into(),
        Failure::DiskFull { .. } => Error::NoSpace.into(),
        Failure::Fenced => Error::Corrupt.into(),
        Failure::Fatal { reason } => named(Error::Stopped, &reason),
        Failure::PositionOfThePast { .. } | Failure::PositionOfAnotherLog => {
            Status::new(Code::FailedPrecondition, failure.to_string())
        }
    }
}

/// What a client is told of a write whose reply can not be made.
pub fn unknown(reason: &str) -> Status {
    let reason = reason.to_owned();
    status(Failure::Unknown { reason })
}

/// What a client is told of a reply that is of another command than its own.
pub fn another_reply() -> Status {
    unknown("the reply is of another command")
}

/// Clients know an error by its text, so that the reason behind it goes to the log.
fn named(error: Error, reason: &str) -> Status {
    tracing::debug!(reason, "answered: {error}");
    error.into()
}

/// What a client of etcd is told of a rejection.
pub fn refused(rejection: Rejection) -> Status {
    match rejection {
        Rejection::KeyEmpty => Error::EmptyKey.into(),
        Rejection::KeyNotFound => Error::KeyNotFound.into(),
        Rejection::LeaseNotFound => Error::LeaseNotFound.into(),
        Rejection::LeaseExists => Error::LeaseExist.into(),
        Rejection::Compacted => Error::Compacted.into(),
        Rejection::FutureRevision => Error::FutureRev.into(),
        Rejection::Busy => Error::RequestTooManyRequests.into(),
        Rejection::NoSpace => Error::NoSpace.into(),
        Rejection::Corrupt => Error::Corrupt.into(),
        Rejection::NotOpen => named(Error::NoLeader, &rejection.to_string()),
        Rejection::KeyTooLarge { .. } | Rejection::ValueTooLarge { .. } => {
            Error::RequestTooLarge.into()
        }
        Rejection::Auth(refusal) => not_allowed(refusal),
        Rejection::FeatureLevel { .. } => named(Error::NotCapable, &rejection.to_string()),
        Rejection::RequestIdReused | Rejection::AlreadyFormed | Rejection::NoVoters => {
            Status::new(Code::FailedPrecondition, rejection.to_string())
        }
    }
}

/// What a client of etcd is told where users and roles do not allow something.
fn not_allowed(refusal: Refusal) -> Status {
    let error = match refusal {
        Refusal::NoRootUser => Error::RootUserNotExist,
        Refusal::NoRootRole => Error::RootRoleNotExist,
        Refusal::UserEmpty => Error::UserEmpty,
        Refusal::UserExists => Error::UserAlreadyExist,
        Refusal::UserNotFound => Error::UserNotFound,
        Refusal::RoleEmpty => Error::RoleEmpty,
        Refusal::RoleExists => Error::RoleAlreadyExist,
        Refusal::RoleNotFound => Error::RoleNotFound,
        Refusal::RoleNotGranted => Error::RoleNotGranted,
        Refusal::PermissionNotGranted => Error::PermissionNotGranted,
        Refusal::InvalidManagement => Error::InvalidAuthMgmt,
        Refusal::OldRevision => Error::AuthOldRevision,
        Refusal::PermissionDenied => Error::PermissionDenied,
        // etcd has no such bounds.
        Refusal::TooMany => return Status::resource_exhausted(refusal.to_string()),
    };
    error.into()
}
