//! What goes wrong between an operator and the API server: always the same for the same fault and the same writes.

use std::fmt;
use std::time::Duration;

use kube::client::Body;
use serde_json::json;

/// One thing that goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The process dies when its `k`-th write has reached the server, before it sees the answer; the next one dies just
    /// before its first write is sent.
    Cut(usize),
    /// The first attempt of every write comes to nothing.
    Writes(Refusal),
    /// Every watch misbehaves.
    Watches(WatchFault),
}

/// What becomes of the first attempt of a write.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusal {
    /// 409.
    Conflict,
    /// 429 with `Retry-After`.
    TooMany,
    /// 500.
    Internal,
    /// It is done, and the answer never arrives.
    Lost,
}

/// How a watch misbehaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum WatchFault {
    /// The connection ends after so many events.
    Drop(usize),
    /// The history is said to be gone (410) after so many events.
    Expire(usize),
    /// Each event is held back for so long.
    Delay(Duration),
    /// After each event the one before it comes once more.
    Replay,
}

impl Refusal {
    /// The server's answer; nothing where it does the write and the answer is lost.
    pub fn answer(self) -> Option<http::Response<Body>> {
        let (code, reason) = match self {
            Refusal::Conflict => (409, "Conflict"),
            Refusal::TooMany => (429, "TooManyRequests"),
            Refusal::Internal => (500, "InternalError"),
            Refusal::Lost => return None,
        };
        let status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure", "code": code, "reason": reason,
            "message": "refused by a test",
        });
        let answer = http::Response::builder()
            .status(code)
            .header("content-type", "application/json");
        let answer = match self {
            Refusal::TooMany => answer.header("retry-after", "1"),
            _ => answer,
        };
        answer
            .body(Body::from(status.to_string().into_bytes()))
            .ok()
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Fault::None => write!(f, "without a fault"),
            Fault::Cut(write) => write!(f, "cut after write {write} and before the next"),
            Fault::Writes(refusal) => write!(f, "first attempt of each write: {refusal:?}"),
            Fault::Watches(fault) => write!(f, "watches: {fault:?}"),
        }
    }
}
