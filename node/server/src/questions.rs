//! What nodes ask their leader, and what it answers, as bytes. The numbers are a format between nodes.

use std::sync::Arc;
use std::time::Duration;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use node_engines::kv::LeaseId;
use node_replication::MemberId;

use crate::leases::Leases;
use crate::levels::Levels;

const KEEP_ALIVE: u8 = 1;
const TIME_LEFT: u8 = 2;
const KNOWS: u8 = 3;
const NONE: u8 = 1;
const SOME: u8 = 2;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// That the lease shall have its full time again.
    KeepAlive(LeaseId),
    /// How much of it is left.
    TimeLeft(LeaseId),
    /// Nothing; but that a member's program knows the feature levels up to one.
    Knows(MemberId, u32),
}

/// Answers questions on the leader.
pub struct Answers {
    pub leases: Arc<Leases>,
    pub levels: Arc<Levels>,
}

impl Answers {
    /// The answer to a question. One that cannot be read has an empty one.
    pub fn answer(&self, term: u64, question: &[u8]) -> Bytes {
        match Question::decode(question) {
            Some(Question::KeepAlive(lease)) => Left::encode(self.leases.left(term, lease, true)),
            Some(Question::TimeLeft(lease)) => Left::encode(self.leases.left(term, lease, false)),
            Some(Question::Knows(member, level)) => {
                self.levels.note(term, member, level);
                Bytes::new()
            }
            None => Bytes::new(),
        }
    }
}

impl Question {
    pub fn encode(self) -> Bytes {
        let mut out = BytesMut::with_capacity(13);
        match self {
            Question::KeepAlive(lease) => {
                out.put_u8(KEEP_ALIVE);
                out.put_i64(lease.0);
            }
            Question::TimeLeft(lease) => {
                out.put_u8(TIME_LEFT);
                out.put_i64(lease.0);
            }
            Question::Knows(member, level) => {
                out.put_u8(KNOWS);
                out.put_u64(member.0);
                out.put_u32(level);
            }
        }
        out.freeze()
    }

    /// Nothing where the bytes are no question, or one of a newer program.
    pub fn decode(mut bytes: &[u8]) -> Option<Question> {
        match (bytes.try_get_u8().ok()?, bytes.len()) {
            (KEEP_ALIVE, 8) => Some(Question::KeepAlive(LeaseId(bytes.get_i64()))),
            (TIME_LEFT, 8) => Some(Question::TimeLeft(LeaseId(bytes.get_i64()))),
            (KNOWS, 12) => {
                let (member, level) = (MemberId(bytes.get_u64()), bytes.get_u32());
                Some(Question::Knows(member, level))
            }
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
    fn questions_are_read_as_they_were_written() {
        for question in [
            Question::KeepAlive(LeaseId(-1)),
            Question::TimeLeft(LeaseId(7)),
            Question::Knows(MemberId(9), 2),
        ] {
            let bytes = question.encode();
            assert_eq!(Question::decode(&bytes), Some(question));
            assert_eq!(Question::decode(&bytes[1..]), None);
            assert_eq!(Question::decode(&bytes[..bytes.len() - 1]), None);
        }
        assert_eq!(Question::decode(&[9; 9]), None);
        assert_eq!(Question::decode(b""), None);
    }

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
