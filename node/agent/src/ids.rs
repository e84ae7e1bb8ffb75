//! Ids as the node knows them (numbers) and as resources hold them (hex text).

use std::fmt;
use std::str::FromStr;

/// Id of a member of the log: in resources 16 hex digits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct MemberId(pub u64);

impl fmt::Display for MemberId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

/// The text is not a member id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read a member id: it is not 16 lower-case hex digits")]
pub struct NotAMemberId;

impl FromStr for MemberId {
    type Err = NotAMemberId;

    fn from_str(text: &str) -> Result<Self, NotAMemberId> {
        let digits = |b: u8| b.is_ascii_digit() || (b'a'..=b'f').contains(&b);
        if text.len() != 16 || !text.bytes().all(digits) {
            return Err(NotAMemberId);
        }
        u64::from_str_radix(text, 16)
            .map(Self)
            .map_err(|_overflow| NotAMemberId)
    }
}

/// Log id of the membership that a node knows; in resources `term.leader.index`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MembershipId {
    /// Term of the leader that proposed it.
    pub term: u64,
    /// That leader.
    pub leader: MemberId,
    /// Its index in the log.
    pub index: u64,
}

impl fmt::Display for MembershipId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.term, self.leader, self.index)
    }
}
