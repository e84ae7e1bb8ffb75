//! The running hash over what was done to a state.

use std::fmt;
use std::str::FromStr;

use crate::{Batch, Op};

/// A hash that names a whole history of batches: two nodes with the same digest did the same things in the same order.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Digest(pub [u8; 32]);

const PUT: u8 = 1;
const DELETE: u8 = 2;

impl Digest {
    /// The digest of an empty history.
    pub const ZERO: Digest = Digest([0; 32]);

    /// The hash (BLAKE3) of one piece of bytes.
    pub fn of(bytes: &[u8]) -> Digest {
        Digest(*blake3::hash(bytes).as_bytes())
    }

    /// The digest of this history followed by `batch`: BLAKE3 over the previous digest and every change, each field
    /// behind its length (little endian), so that no two different batches are written the same way.
    pub fn chain(self, batch: &Batch) -> Digest {
        let mut hasher = blake3::Hasher::new();
        hasher.update(&self.0);
        let field = |hasher: &mut blake3::Hasher, bytes: &[u8]| {
            hasher.update(&(bytes.len() as u64).to_le_bytes());
            hasher.update(bytes);
        };
        for op in batch.ops() {
            match op {
                Op::Put { table, key, value } => {
                    hasher.update(&[PUT]);
                    field(&mut hasher, table.0.as_bytes());
                    field(&mut hasher, key);
                    field(&mut hasher, value);
                }
                Op::Delete { table, key } => {
                    hasher.update(&[DELETE]);
                    field(&mut hasher, table.0.as_bytes());
                    field(&mut hasher, key);
                }
            }
        }
        Digest(*hasher.finalize().as_bytes())
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hex::encode(self.0))
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Digest({self})")
    }
}

/// A text that is not a digest.
#[derive(Debug, thiserror::Error)]
#[error("failed to read a digest: it is 64 hexadecimal digits")]
pub struct ParseDigestError(#[source] hex::FromHexError);

impl FromStr for Digest {
    type Err = ParseDigestError;

    fn from_str(text: &str) -> Result<Digest, ParseDigestError> {
        let mut bytes = [0; 32];
        hex::decode_to_slice(text, &mut bytes).map_err(ParseDigestError)?;
        Ok(Digest(bytes))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Table;

    const A: Table = Table("a");

    fn batch(make: impl Fn(&mut Batch)) -> Digest {
        let mut batch = Batch::new();
        make(&mut batch);
        Digest::ZERO.chain(&batch)
    }

    #[test]
    fn each_field_counts_and_no_two_batches_are_written_alike() {
        let digests = [
            batch(|_| {}),
            batch(|b| b.put(A, &b"k"[..], &b"v"[..])),
            batch(|b| b.put(A, &b"kv"[..], &b""[..])),
            batch(|b| b.put(A, &b""[..], &b"kv"[..])),
            batch(|b| b.put(Table("ak"), &b""[..], &b"v"[..])),
            batch(|b| b.delete(A, &b"k"[..])),
            batch(|b| {
                b.put(A, &b"k"[..], &b"v"[..]);
                b.delete(A, &b"k"[..]);
            }),
            batch(|b| {
                b.delete(A, &b"k"[..]);
                b.put(A, &b"k"[..], &b"v"[..]);
            }),
        ];
        for (i, one) in digests.iter().enumerate() {
            for other in &digests[i + 1..] {
                assert_ne!(one, other);
            }
        }
    }

    #[test]
    fn the_chain_is_frozen() {
        let digest = batch(|b| b.put(A, &b"k"[..], &b"v"[..]));
        assert_eq!(
            digest.to_string(),
            "a0a8edd3e0a47c231d76ca2ff3cf6c5e8d24aa678dace107b88e54a740052ebe"
        );
        assert_eq!(digest.to_string().parse::<Digest>().unwrap(), digest);
    }

    #[test]
    fn a_text_that_is_no_digest_is_refused() {
        assert!("00".parse::<Digest>().is_err());
        assert!("zz".repeat(32).parse::<Digest>().is_err());
    }
}
