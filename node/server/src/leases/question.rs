//! What nodes ask their leader of a lease, and what it answers, as bytes. The numbers are a format between nodes.

use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use node_engines::kv::LeaseId;

const KEEP_ALIVE: u8 = 1;
const TIME_LEFT: u8 = 2;
const NONE: u8 = 1;
const SOME: u8 = 2;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// That the lease shall have its full time again.
    KeepAlive(LeaseId),
    /// How much of it is left.
    TimeLeft(LeaseId),
}

impl Question {
    pub fn encode(self) -> Bytes {
        let (kind, lease) = match self {
            Question::KeepAlive(lease) => (KEEP_ALIVE, lease),
            Question::TimeLeft(lease) => (TIME_LEFT, lease),
        };
        let mut out = BytesMut::with_capacity(9);
        out.put_u8(kind);
        out.put_i64(lease.0);
        out.freeze()
    }

    /// Nothing where the bytes are no question, or one of a newer program.
    pub fn decode(bytes: &[u8]) -> Option<Question> {
        let (kind, lease) = bytes.split_first()?;
        let lease = LeaseId(i64::from_be_bytes(lease.try_into().ok()?));
        match *kind {
            KEEP_ALIVE => Some(Question::KeepAlive(lease)),
            TIME_LEFT => Some(Question::TimeLeft(lease)),
            _ => None,
        }
    }
}

/// How much time a lease has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    /// Whenever it is kept alive, in seconds.
    pub granted_seconds: u64,
    /// From now on.
    pub left: Duration,
}

impl Left {
    pub fn encode(left: Option<Left>) -> Bytes {
        let mut out = BytesMut::with_capacity(17);
        match left {
            None => out.put_u8(NONE),
            Some(left) => {
                out.put_u8(SOME);
                out.put_u64(left.granted_seconds);
                out.put_u64(u64::try_from(left.left.as_millis()).unwrap_or(u64::MAX));
            }
        }
        out.freeze()
    }

    /// Nothing where the bytes are no answer; `Some(None)` where there is no such lease.
    pub fn decode(mut bytes: &[u8]) -> Option<Option<Left>> {
        match (bytes.try_get_u8().ok()?, bytes.len()) {
            (NONE, 0) => Some(None),
            (SOME, 16) => Some(Some(Left {
                granted_seconds: bytes.get_u64(),
                left: Duration::from_millis(bytes.get_u64()),
            })),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_are_read_as_they_were_written() {
        let left = Left {
            granted_seconds: 60,
            left: Duration::from_millis(1234),
        };
        for answer in [None, Some(left)] {
            let bytes = Left::encode(answer);
            assert_eq!(Left::decode(&bytes), Some(answer));
            assert_eq!(Left::decode(&bytes[1..]), None);
        }
        assert_eq!(Left::decode(b""), None);
    }
}
