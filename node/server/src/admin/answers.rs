//! From a failure to the status of a call.

use node_api::{CODE_METADATA, ErrorCode, LEADER_METADATA};
use node_replication::MemberId;
use tonic::{Code, Status};

use crate::errors::AdminFailure;

/// The status of a call that was not carried out.
pub fn status(failure: &AdminFailure) -> Status {
    let (kind, code) = match failure {
        AdminFailure::Invalid(_) => (Code::InvalidArgument, ErrorCode::BadRequest),
        AdminFailure::NotLeader { .. } => (Code::FailedPrecondition, ErrorCode::NotLeader),
        AdminFailure::Guard(_)
        | AdminFailure::OtherMember { .. }
        | AdminFailure::LossNotAcknowledged
        | AdminFailure::Forming => (Code::FailedPrecondition, ErrorCode::Refused),
        AdminFailure::Unavailable { .. } => (Code::Unavailable, ErrorCode::Unavailable),
        AdminFailure::Unknown { .. } => (Code::Unknown, ErrorCode::Unknown),
    };
    let leader = match failure {
        AdminFailure::NotLeader { leader } => *leader,
        _ => None,
    };
    coded(kind, code, failure.to_string(), leader)
}

/// A call without a session.
pub fn unauthenticated(message: &str) -> Status {
    coded(
        Code::Unauthenticated,
        ErrorCode::Unauthenticated,
        message.to_owned(),
        None,
    )
}

/// A call that makes no sense.
pub fn invalid(message: impl Into<String>) -> Status {
    coded(
        Code::InvalidArgument,
        ErrorCode::BadRequest,
        message.into(),
        None,
    )
}

fn coded(kind: Code, code: ErrorCode, message: String, leader: Option<MemberId>) -> Status {
    let mut status = Status::new(kind, message);
    let metadata = status.metadata_mut();
    metadata.insert(
        CODE_METADATA,
        tonic::metadata::MetadataValue::from_static(code.as_str()),
    );
    if let Some(MemberId(leader)) = leader {
        metadata.insert(LEADER_METADATA, leader.into());
    }
    status
}
