//! What two ends said to each other, and proofs of the cluster key over it.

use bytes::{BufMut, BytesMut};
use hmac::{Hmac, KeyInit, Mac};
use sha2::{Digest, Sha256};

use crate::config::ClusterKey;

/// What was said so far, in order; each proof covers all of it.
pub struct Transcript<'a> {
    said: Sha256,
    key: &'a ClusterKey,
}

impl<'a> Transcript<'a> {
    /// Nothing was said yet.
    pub fn new(key: &'a ClusterKey) -> Transcript<'a> {
        Transcript {
            said: Sha256::new(),
            key,
        }
    }

    /// A message was said, by either end.
    pub fn add(&mut self, message: &[u8]) {
        self.said.update((message.len() as u64).to_be_bytes());
        self.said.update(message);
    }

    /// What an end of this role signs at this point.
    pub fn statement(&self, role: &str) -> Vec<u8> {
        [role.as_bytes(), &self.said.clone().finalize()].concat()
    }

    fn mac(&self, role: &str) -> Hmac<Sha256> {
        let mac = Hmac::<Sha256>::new_from_slice(self.key.as_bytes());
        mac.expect("invariant: HMAC takes keys of any length")
            .chain_update(self.statement(role))
    }

    /// Proves the key at this point.
    pub fn prove(&self, role: &str, out: &mut BytesMut) {
        out.put_slice(&self.mac(role).finalize().into_bytes());
    }

    /// Whether the other end proved the key at this point.
    pub fn proved(&self, role: &str, mac: &[u8; 32]) -> bool {
        self.mac(role).verify_slice(mac).is_ok()
    }
}
