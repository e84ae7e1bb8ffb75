//! How the cluster key is proved without being sent.

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

/// Length of a nonce.
pub const NONCE_BYTES: usize = 32;
/// Length of a session.
pub const SESSION_BYTES: usize = 32;

/// Keeps a proof for the admin protocol from serving anywhere else.
const CONTEXT: &[u8] = b"kluster-admin";

fn mac(cluster_key: &[u8], nonce: &[u8]) -> Hmac<Sha256> {
    let mut mac = Hmac::<Sha256>::new_from_slice(cluster_key)
        .expect("invariant: HMAC takes a key of any length");
    mac.update(CONTEXT);
    mac.update(nonce);
    mac
}

/// The proof of the cluster key for this nonce.
pub fn prove(cluster_key: &[u8], nonce: &[u8]) -> [u8; 32] {
    mac(cluster_key, nonce).finalize().into_bytes().into()
}

/// Whether `proof` proves the cluster key for this nonce, in a time that does not depend on where it is wrong.
pub fn proves(cluster_key: &[u8], nonce: &[u8], proof: &[u8]) -> bool {
    mac(cluster_key, nonce).verify_slice(proof).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_key_and_nonce_are_proved() {
        let proof = prove(b"key", b"nonce");
        assert!(proves(b"key", b"nonce", &proof));
        assert!(!proves(b"kez", b"nonce", &proof));
        assert!(!proves(b"key", b"noncf", &proof));
        assert!(!proves(b"key", b"nonce", &proof[..31]));
        assert!(!proves(b"key", b"nonce", b""));
    }
}
