//! The ids everything in the log is named by. All of them print as text that parses back.

use std::fmt;
use std::str::FromStr;

/// A member of a cluster: drawn once by chance on an empty disk, never used again after removal.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

/// A cluster: drawn once at bootstrap, on the disk of every member.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// The place of an entry in the log. Ordered as Raft orders logs: by term, then leader, then index.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term in which the entry was proposed.
    pub term: u64,
    /// The member that led that term.
    pub leader: u64,
    /// The index of the entry, from 0, without holes.
    pub index: u64,
}

/// A text is not the id it should be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read {text:?} as {expected}")]
pub struct ParseIdError {
    text: String,
    expected: &'static str,
}

impl ParseIdError {
    fn new(text: &str, expected: &'static str) -> ParseIdError {
        ParseIdError {
            text: text.to_owned(),
            expected,
        }
    }
}

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl FromStr for MemberId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<MemberId, ParseIdError> {
        let error = || ParseIdError::new(text, "a member id (16 hex digits)");
        if text.len() != 16 || !text.bytes().all(|b| b.is_ascii_hexdigit()) {
            return Err(error());
        }
        u64::from_str_radix(text, 16)
            .map(MemberId)
            .map_err(|_| error())
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl FromStr for ClusterId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<ClusterId, ParseIdError> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id)
            .map_err(|_| ParseIdError::new(text, "a cluster id (32 hex digits)"))?;
        Ok(ClusterId(id))
    }
}

impl fmt::Display for LogId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{:016x}.{}", self.term, self.leader, self.index)
    }
}

impl FromStr for LogId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<LogId, ParseIdError> {
        let error = || ParseIdError::new(text, "a log id (term.leader.index)");
        let mut parts = text.split('.');
        let (Some(term), Some(leader), Some(index), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(error());
        };
        Ok(LogId {
            term: term.parse().map_err(|_| error())?,
            leader: leader.parse::<MemberId>().map_err(|_| error())?.0,
            index: index.parse().map_err(|_| error())?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_print_as_text_that_parses_back() {
        let member = MemberId(0xabc);
        assert_eq!(member.to_string(), "0000000000000abc");
        assert_eq!(member.to_string().parse(), Ok(member));
        let cluster = ClusterId([7; 16]);
        assert_eq!(cluster.to_string().parse(), Ok(cluster));
        let log = LogId {
            term: 3,
            leader: 0xabc,
            index: 42,
        };
        assert_eq!(log.to_string(), "3.0000000000000abc.42");
        assert_eq!(log.to_string().parse(), Ok(log));
    }

    #[test]
    fn bad_text_is_refused_and_named() {
        for text in ["", "xyz", "+00000000000000a", "00000000000000000"] {
            let error = text.parse::<MemberId>().unwrap_err();
            assert!(error.to_string().contains(&format!("{text:?}")), "{error}");
        }
        assert!("1.2.3".parse::<LogId>().is_err());
        assert!("zz".parse::<ClusterId>().is_err());
    }

    #[test]
    fn log_ids_order_by_term_before_index() {
        let old = LogId {
            term: 1,
            leader: 9,
            index: 100,
        };
        let new = LogId {
            term: 2,
            leader: 1,
            index: 3,
        };
        assert!(new > old);
    }
}
