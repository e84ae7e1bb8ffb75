//! Tokens: that a user has shown its password, signed. Every node can read what another one signed.
//!
//! They are JSON Web Tokens with the claims that etcd's have, `username`, `revision` and `exp`; so a signer elsewhere can make
//! them too, where its key is given. What is asked of the clock is only how long a token is good.

use std::fmt;
use std::time::Duration;

use jsonwebtoken::jwk::Jwk;
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation, decode, encode};
use node_host::WallMillis;
use node_storage::Digest;
use serde::{Deserialize, Serialize};

/// How long a token is good.
const GOOD_FOR: Duration = Duration::from_hours(24);
/// Keeps a key that is made of the cluster key from serving anywhere else.
const CONTEXT: &[u8] = b"kluster-tokens";
/// The kinds of private keys that sign, by the methods that they sign with.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
];

/// Why a key can not be used.
#[derive(Debug, thiserror::Error)]
#[error(
    "a key of tokens is a private key in PEM: RSA, ECDSA with P-256 or P-384 (PKCS #8), or Ed25519"
)]
pub struct KeyError;

/// A pair of keys that signs tokens.
#[derive(Clone)]
pub struct TokenKey {
    algorithm: Algorithm,
    sign: EncodingKey,
    verify: DecodingKey,
}

impl fmt::Debug for TokenKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "TokenKey({:?})", self.algorithm)
    }
}

impl TokenKey {
    /// The private key in a PEM text, and what verifies its signatures.
    pub fn from_pem(pem: &[u8]) -> Result<TokenKey, KeyError> {
        let key = |algorithm| {
            let sign = match algorithm {
                Algorithm::RS256 => EncodingKey::from_rsa_pem(pem),
                Algorithm::EdDSA => EncodingKey::from_ed_pem(pem),
                _ => EncodingKey::from_ec_pem(pem),
            };
            let sign = sign.ok()?;
            let verify = Jwk::from_encoding_key(&sign, algorithm).ok()?;
            let verify = DecodingKey::from_jwk(&verify).ok()?;
            let key = TokenKey {
                algorithm,
                sign,
                verify,
            };
            // A key of another curve is found out when it is used.
            let tokens = Tokens { key };
            let token = tokens.sign("", 0, WallMillis(0))?;
            tokens.read(&token, WallMillis(0)).map(|_| tokens.key)
        };
        ALGORITHMS.into_iter().find_map(key).ok_or(KeyError)
    }

    fn of_cluster(cluster_key: &[u8]) -> TokenKey {
        let secret = Digest::of(&[CONTEXT, cluster_key].concat()).0;
        TokenKey {
            algorithm: Algorithm::HS256,
            sign: EncodingKey::from_secret(&secret),
            verify: DecodingKey::from_secret(&secret),
        }
    }
}

#[derive(Serialize, Deserialize)]
struct Claims {
    username: String,
    revision: u64,
    /// Seconds since the Unix epoch.
    exp: u64,
}

/// Signs tokens and reads them.
#[derive(Debug)]
pub struct Tokens {
    key: TokenKey,
}

impl Tokens {
    /// Tokens that a key of their own signs, or else the cluster key.
    pub fn new(key: Option<TokenKey>, cluster_key: &[u8]) -> Tokens {
        let key = key.unwrap_or_else(|| TokenKey::of_cluster(cluster_key));
        Tokens { key }
    }

    /// A token of a user who has shown the password that it had at a revision of the users and roles.
    pub fn sign(&self, user: &str, revision: u64, now: WallMillis) -> Option<String> {
        let claims = Claims {
            username: user.to_owned(),
            revision,
            exp: now.0 / 1000 + GOOD_FOR.as_secs(),
        };
        encode(&Header::new(self.key.algorithm), &claims, &self.key.sign).ok()
    }

    /// The user and the revision of a token; nothing where it is none of ours, or over.
    pub fn read(&self, token: &str, now: WallMillis) -> Option<(String, u64)> {
        let mut validation = Validation::new(self.key.algorithm);
        // What time it is, this node's clock says, which in the simulator is no machine's.
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        let claims = decode::<Claims>(token, &self.key.verify, &validation).ok()?;
        let Claims {
            username,
            revision,
            exp,
        } = claims.claims;
        (exp > now.0 / 1000).then_some((username, revision))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const DAY: u64 = 24 * 3600 * 1000;

    #[test]
    fn a_token_is_good_for_a_day_where_the_key_is_the_same() {
        let tokens = Tokens::new(None, b"key");
        let token = tokens.sign("u", 7, WallMillis(5_000)).unwrap();
        let read = |tokens: &Tokens, now| tokens.read(&token, WallMillis(now));
        assert_eq!(read(&tokens, 5_000), Some(("u".to_owned(), 7)));
        assert_eq!(read(&tokens, DAY + 4_999), Some(("u".to_owned(), 7)));
        assert_eq!(read(&tokens, DAY + 5_000), None);
        assert_eq!(
            read(&Tokens::new(None, b"key"), 0),
            Some(("u".to_owned(), 7))
        );
        assert_eq!(read(&Tokens::new(None, b"kez"), 0), None);
    }

    #[test]
    fn what_is_no_token_is_not_read() {
        let tokens = Tokens::new(None, b"key");
        let good = tokens.sign("u", 7, WallMillis(0)).unwrap();
        let mut parts: Vec<&str> = good.split('.').collect();
        // A header that asks for no signature, {"alg":"none"}.
        parts[0] = "eyJhbGciOiJub25lIn0";
        let unsigned = parts[..2].join(".") + ".";
        for token in [
            "",
            ".",
            "..",
            "a.b.c",
            &good[1..],
            &good[..good.len() - 2],
            &unsigned,
        ] {
            assert_eq!(tokens.read(token, WallMillis(0)), None, "{token:?}");
        }
    }

    #[test]
    fn a_private_key_of_any_kind_signs_and_verifies() {
        for (name, pem, algorithm) in [
            (
                "rsa",
                include_str!("../../testdata/tokens/rsa.pem"),
                Algorithm::RS256,
            ),
            (
                "p256",
                include_str!("../../testdata/tokens/p256.pem"),
                Algorithm::ES256,
            ),
            (
                "p384",
                include_str!("../../testdata/tokens/p384.pem"),
                Algorithm::ES384,
            ),
            (
                "ed25519",
                include_str!("../../testdata/tokens/ed25519.pem"),
                Algorithm::EdDSA,
            ),
        ] {
            let key = TokenKey::from_pem(pem.as_bytes()).expect(name);
            assert_eq!(key.algorithm, algorithm, "{name}");
            let tokens = Tokens::new(Some(key), b"key");
            let token = tokens.sign("u", 7, WallMillis(0)).expect(name);
            let read = tokens.read(&token, WallMillis(0));
            assert_eq!(read, Some(("u".to_owned(), 7)), "{name}");
            assert_eq!(Tokens::new(None, b"key").read(&token, WallMillis(0)), None);
        }
    }

    #[test]
    fn a_text_that_is_no_key_is_refused() {
        for pem in [
            "",
            "key",
            "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n",
        ] {
            assert!(TokenKey::from_pem(pem.as_bytes()).is_err());
        }
    }
}
