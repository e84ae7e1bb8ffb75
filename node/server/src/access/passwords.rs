//! Passwords, of which only hashes are kept.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use bytes::Bytes;
use node_host::Host;
use tokio::sync::Semaphore;

/// The work of a hash: 2^10 rounds, as etcd does.
const COST: u32 = 10;
/// The most work of a hash that was made elsewhere, 2^16 rounds: some seconds for each password that is held against it.
const COST_MAX: u32 = 16;
/// Passwords that are hashed at a time; it takes some 50 ms of a core, and clients have others to do.
const AT_A_TIME: usize = 1;
/// Those that wait for it. Further ones are refused.
const WAITING_MAX: usize = 128;
/// The salt of a hash, in bytes.
const SALT_BYTES: usize = 16;
/// Longest password, in bytes: the hash takes 72 with the zero that ends it.
const PASSWORD_BYTES_MAX: usize = 71;

/// Why no hash was made or compared.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PasswordError {
    /// Too many wait for their turn.
    #[error("too many passwords are waiting to be looked at")]
    Busy,
    /// It can not be hashed.
    #[error("a password has at most {PASSWORD_BYTES_MAX} bytes")]
    Unusable,
    /// What was given as one is no hash.
    #[error("a hashed password is one of bcrypt, of a cost up to {COST_MAX}, in base64")]
    NoHash,
}

/// Hashes passwords and compares them, a few at a time, and off the tasks of the async runtime.
pub struct Passwords {
    turn: Semaphore,
    places: Semaphore,
}

impl Default for Passwords {
    fn default() -> Passwords {
        Passwords {
            turn: Semaphore::new(AT_A_TIME),
            places: Semaphore::new(AT_A_TIME + WAITING_MAX),
        }
    }
}

impl Passwords {
    /// The hash of a password.
    pub async fn hash(&self, host: &Host, password: String) -> Result<Bytes, PasswordError> {
        let mut salt = [0; SALT_BYTES];
        host.random.fill(&mut salt);
        let hashed = self
            .work(move || bcrypt::non_truncating_hash_with_salt(password.as_bytes(), COST, salt));
        let hashed = hashed.await?.map_err(|_| PasswordError::Unusable)?;
        Ok(hashed.format_for_version(bcrypt::Version::TwoA).into())
    }

    /// A hash that was made elsewhere, as the API carries it: in base64.
    pub fn made_elsewhere(hash: &str) -> Result<Bytes, PasswordError> {
        let hash = BASE64_STANDARD.decode(hash).ok();
        let hash = hash.and_then(|hash| String::from_utf8(hash).ok());
        let hash = hash.ok_or(PasswordError::NoHash)?;
        match hash.parse::<bcrypt::HashParts>() {
            Ok(parts) if parts.get_cost() <= COST_MAX => Ok(hash.into()),
            _ => Err(PasswordError::NoHash),
        }
    }

    /// Whether a password is the one of a hash.
    pub async fn fits(&self, password: String, hash: Bytes) -> Result<bool, PasswordError> {
        let fits = self.work(move || {
            let hash = std::str::from_utf8(&hash).unwrap_or_default();
            // What is no hash fits nothing, and neither does a password that has none.
            bcrypt::non_truncating_verify(password.as_bytes(), hash).unwrap_or(false)
        });
        fits.await
    }

    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Result<T, PasswordError> {
        let busy = |_| PasswordError::Busy;
        let _place = self.places.try_acquire().map_err(busy)?;
        let _turn = self.turn.acquire().await.map_err(|_| PasswordError::Busy)?;
        let done = tokio::task::spawn_blocking(work).await;
        done.map_err(|_died| PasswordError::Unusable)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_password_fits_as_a_whole_or_not_at_all() {
        let (host, passwords) = (Host::real(), Passwords::default());
        let longest = "x".repeat(PASSWORD_BYTES_MAX);
        let hash = passwords.hash(&host, longest.clone()).await.unwrap();
        let fits = |password: String| passwords.fits(password, hash.clone());
        assert_eq!(fits(longest.clone()).await, Ok(true));
        assert_eq!(fits(longest[1..].to_owned()).await, Ok(false));
        let longer = format!("{longest}y");
        assert_eq!(fits(longer.clone()).await, Ok(false));
        let hashed = passwords.hash(&host, longer).await;
        assert_eq!(hashed, Err(PasswordError::Unusable));
        assert_eq!(passwords.fits(String::new(), Bytes::new()).await, Ok(false));
    }

    #[tokio::test]
    async fn a_hash_that_was_made_elsewhere_is_taken_if_it_is_one() {
        // By golang.org/x/crypto/bcrypt, of "secret".
        let hash = "$2a$10$tmVAnOqrCt5y1Z5pfzXuzO0HDlAWsHiT5d3snsn9bYcUfta6bgsVW";
        let taken = Passwords::made_elsewhere(&BASE64_STANDARD.encode(hash)).unwrap();
        let passwords = Passwords::default();
        let fits = |password: &str| passwords.fits(password.to_owned(), taken.clone());
        assert_eq!(fits("secret").await, Ok(true));
        assert_eq!(fits("another").await, Ok(false));
        let costly = hash.replace("$10$", "$17$");
        for (number, none) in ["", "secret", &hash[1..], &hash[..59], &costly]
            .iter()
            .enumerate()
        {
            let none = Passwords::made_elsewhere(&BASE64_STANDARD.encode(none));
            assert_eq!(none, Err(PasswordError::NoHash), "{number}");
        }
        assert_eq!(Passwords::made_elsewhere(hash), Err(PasswordError::NoHash));
    }
}
