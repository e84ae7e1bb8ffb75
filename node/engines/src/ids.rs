//! The names things have in entries and state.

use std::fmt;
use std::str::FromStr;

use bytes::Bytes;

/// A cluster: 16 random bytes drawn once, when it is formed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ClusterId(pub [u8; 16]);

/// The place of an entry in the log, as the log names it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogId {
    /// The term in which the entry was proposed.
    pub term: u64,
    /// The member that led that term.
    pub leader: u64,
    /// The entry's index.
    pub index: u64,
}

/// A client's name for one request, by which its repetition is known: 1 to 64 bytes of `[A-Za-z0-9._-]`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RequestId(Bytes);

/// A text that is not the id it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ParseIdError {
    /// Not a [`RequestId`].
    #[error("failed to read a request id: it is 1 to 64 of A-Z, a-z, 0-9, '.', '_' and '-'")]
    Request,
    /// Not a [`ClusterId`].
    #[error("failed to read a cluster id: it is 32 hexadecimal digits")]
    Cluster,
}

impl RequestId {
    /// Longest request id, in bytes.
    pub const BYTES_MAX: usize = 64;

    /// Reads a request id.
    pub fn new(id: impl Into<Bytes>) -> Result<RequestId, ParseIdError> {
        let id = id.into();
        let allowed = |byte: &u8| byte.is_ascii_alphanumeric() || b"._-".contains(byte);
        if id.is_empty() || id.len() > Self::BYTES_MAX || !id.iter().all(allowed) {
            return Err(ParseIdError::Request);
        }
        Ok(RequestId(id))
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).expect("invariant: a request id is ASCII")
    }

    pub(crate) fn as_bytes(&self) -> &Bytes {
        &self.0
    }

    /// A copy that keeps no larger buffer alive.
    pub(crate) fn detached(&self) -> RequestId {
        RequestId(Bytes::copy_from_slice(&self.0))
    }
}

impl FromStr for RequestId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<RequestId, ParseIdError> {
        RequestId::new(Bytes::copy_from_slice(text.as_bytes()))
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for ClusterId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<ClusterId, ParseIdError> {
        let mut id = [0; 16];
        hex::decode_to_slice(text, &mut id).map_err(|_| ParseIdError::Cluster)?;
        Ok(ClusterId(id))
    }
}

impl fmt::Display for ClusterId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_id_is_short_and_plain() {
        for good in ["a", "A-b_c.9", &"x".repeat(64)] {
            assert_eq!(good.parse::<RequestId>().unwrap().to_string(), good);
        }
        for bad in ["", " ", "a b", "ä", "a/b", "a\n", &"x".repeat(65)] {
            assert_eq!(
                bad.parse::<RequestId>(),
                Err(ParseIdError::Request),
                "{bad:?}"
            );
        }
    }

    #[test]
    fn a_cluster_id_reads_back() {
        let text = "00112233445566778899aabbccddeeff";
        assert_eq!(text.parse::<ClusterId>().unwrap().to_string(), text);
        assert_eq!("0011".parse::<ClusterId>(), Err(ParseIdError::Cluster));
    }
}
