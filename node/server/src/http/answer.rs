//! From what became of a request to an answer: the one match that turns failures into status codes.

use bytes::Bytes;
use http::header::{ALLOW, CONTENT_TYPE, RETRY_AFTER};
use http::{HeaderValue, Method, Response, StatusCode};
use http_body_util::Full;
use node_api::{ErrorBody, ErrorCode, POSITION_HEADER, REVISION_HEADER};
use node_engines::kv::Revision;
use node_engines::{Position, Rejection, auth};

use crate::errors::Failure;

/// An answer, ready to be sent.
pub type Answer = Response<Full<Bytes>>;

const JSON: HeaderValue = HeaderValue::from_static("application/json");
const BYTES: HeaderValue = HeaderValue::from_static("application/octet-stream");
/// Seconds after which what is unavailable is worth another try.
const RETRY_SECONDS: HeaderValue = HeaderValue::from_static("1");

/// A request that is refused before it is carried out, or was not carried out as asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The HTTP status code.
    pub status: u16,
    /// What is wrong, for programs.
    pub code: ErrorCode,
    /// What is wrong, for people.
    pub message: String,
    /// The methods that would be right.
    pub allow: Option<&'static str>,
}

impl Refusal {
    /// A refusal of any kind.
    pub fn new(status: u16, code: ErrorCode, message: impl Into<String>) -> Refusal {
        Refusal {
            status,
            code,
            message: message.into(),
            allow: None,
        }
    }

    /// A malformed request.
    pub fn bad(message: impl Into<String>) -> Refusal {
        Refusal::new(400, ErrorCode::BadRequest, message)
    }

    /// A method that means nothing here.
    pub fn method(method: &Method, allow: &'static str) -> Refusal {
        let message = format!("{method} means nothing here; allowed: {allow}");
        Refusal {
            allow: Some(allow),
            ..Refusal::new(405, ErrorCode::MethodNotAllowed, message)
        }
    }

    /// The answer that says so.
    pub fn answer(self) -> Answer {
        let Refusal {
            status,
            code,
            message,
            allow,
        } = self;
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut answer = json(status, &ErrorBody { code, message });
        if let Some(allow) = allow {
            answer
                .headers_mut()
                .insert(ALLOW, HeaderValue::from_static(allow));
        }
        if status == StatusCode::SERVICE_UNAVAILABLE {
            answer.headers_mut().insert(RETRY_AFTER, RETRY_SECONDS);
        }
        answer
    }
}

impl From<Failure> for Refusal {
    fn from(failure: Failure) -> Refusal {
        let (status, code) = match &failure {
            Failure::Rejected(rejection) => of_rejection(*rejection),
            Failure::PositionOfThePast { .. } | Failure::PositionOfAnotherLog => {
                (400, ErrorCode::BadRequest)
            }
            Failure::InvalidToken => (401, ErrorCode::Unauthenticated),
            Failure::Unavailable { .. } | Failure::Fenced => (503, ErrorCode::Unavailable),
            Failure::Busy => (503, ErrorCode::Busy),
            Failure::DiskFull { .. } => (503, ErrorCode::DiskFull),
            Failure::Unknown { .. } => (504, ErrorCode::Unknown),
            Failure::Fatal { .. } => (500, ErrorCode::Fatal),
        };
        Refusal::new(status, code, failure.to_string())
    }
}

fn of_rejection(rejection: Rejection) -> (u16, ErrorCode) {
    match rejection {
        Rejection::NotOpen => (503, ErrorCode::NotOpen),
        Rejection::KeyEmpty => (400, ErrorCode::KeyEmpty),
        Rejection::KeyTooLarge { .. } => (414, ErrorCode::KeyTooLarge),
        Rejection::ValueTooLarge { .. } => (413, ErrorCode::ValueTooLarge),
        Rejection::RequestIdReused => (422, ErrorCode::RequestIdReused),
        Rejection::Busy => (503, ErrorCode::Busy),
        Rejection::AlreadyFormed
        | Rejection::NoVoters
        | Rejection::KeyNotFound
        | Rejection::LeaseNotFound
        | Rejection::LeaseExists
        | Rejection::Compacted
        | Rejection::FutureRevision => (409, ErrorCode::Refused),
        Rejection::Auth(auth::Refusal::UserEmpty) => (401, ErrorCode::Unauthenticated),
        Rejection::Auth(auth::Refusal::PermissionDenied) => (403, ErrorCode::PermissionDenied),
        Rejection::Auth(_) => (409, ErrorCode::Refused),
        Rejection::NoSpace => (503, ErrorCode::NoSpace),
        Rejection::Corrupt => (503, ErrorCode::Unavailable),
        Rejection::FeatureLevel { .. } => (409, ErrorCode::FeatureLevel),
    }
}

/// A JSON answer.
pub fn json(status: StatusCode, body: &impl serde::Serialize) -> Answer {
    let (status, body) = match serde_json::to_vec(body) {
        Ok(body) => (status, body),
        Err(error) => (
            StatusCode::INTERNAL_SERVER_ERROR,
            format!("{{\"code\":\"fatal\",\"message\":\"{error}\"}}").into_bytes(),
        ),
    };
    json_bytes(status, body.into())
}

/// An answer that is JSON already.
pub fn json_bytes(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, JSON);
    answer
}

/// A value.
pub fn value(value: Bytes, revision: Revision, position: Position) -> Answer {
    let mut answer = Response::new(Full::new(value));
    answer.headers_mut().insert(CONTENT_TYPE, BYTES);
    placed(answer, Some(revision), position)
}

/// A write that was carried out.
pub fn written(status: StatusCode, revision: Revision, position: Position) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    placed(answer, Some(revision), position)
}

/// Adds where in history the answer stands.
pub fn placed(mut answer: Answer, revision: Option<Revision>, position: Position) -> Answer {
    let position = HeaderValue::try_from(position.to_string())
        .expect("invariant: a position is digits and dots");
    answer.headers_mut().insert(POSITION_HEADER, position);
    if let Some(revision) = revision {
        answer
            .headers_mut()
            .insert(REVISION_HEADER, HeaderValue::from(revision.0));
    }
    answer
}

#[cfg(test)]
mod tests {
    use node_engines::Incarnation;

    use super::*;

    fn status(failure: Failure) -> (u16, Option<String>) {
        let answer = Refusal::from(failure).answer();
        let again = answer.headers().get(RETRY_AFTER);
        (
            answer.status().as_u16(),
            again.map(|again| again.to_str().unwrap().to_owned()),
        )
    }

    #[test]
    fn the_kinds_of_failure_are_told_apart() {
        let reason = || "why".to_owned();
        let again = Some("1".to_owned());
        assert_eq!(
            status(Failure::Unavailable { reason: reason() }),
            (503, again.clone())
        );
        assert_eq!(status(Failure::Fenced), (503, again.clone()));
        assert_eq!(status(Failure::Busy), (503, again.clone()));
        assert_eq!(
            status(Failure::DiskFull {
                whose: "the leader's"
            }),
            (503, again.clone())
        );
        for (rejection, code, retry) in [
            (Rejection::NotOpen, 503, again.clone()),
            (Rejection::Busy, 503, again.clone()),
            (Rejection::NoSpace, 503, again.clone()),
            (Rejection::Corrupt, 503, again),
            (Rejection::KeyEmpty, 400, None),
            (Rejection::KeyTooLarge { bytes: 5_000 }, 414, None),
            (Rejection::ValueTooLarge { bytes: 2 << 20 }, 413, None),
            (Rejection::RequestIdReused, 422, None),
            (Rejection::AlreadyFormed, 409, None),
            (Rejection::NoVoters, 409, None),
            (
                Rejection::FeatureLevel {
                    needed: 2,
                    active: 1,
                },
                409,
                None,
            ),
        ] {
            assert_eq!(
                status(Failure::Rejected(rejection)),
                (code, retry),
                "{rejection:?}"
            );
        }
        let past = Failure::PositionOfThePast {
            given: Incarnation(1),
            current: Incarnation(2),
        };
        assert_eq!(status(past), (400, None));
        assert_eq!(status(Failure::PositionOfAnotherLog), (400, None));
        assert_eq!(status(Failure::Unknown { reason: reason() }), (504, None));
        assert_eq!(status(Failure::Fatal { reason: reason() }), (500, None));
    }

    #[test]
    fn a_wrong_method_names_the_right_ones() {
        let answer = Refusal::method(&Method::PATCH, "GET, PUT").answer();
        assert_eq!(answer.status(), 405);
        assert_eq!(answer.headers().get(ALLOW).unwrap(), "GET, PUT");
    }
}
