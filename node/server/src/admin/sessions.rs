//! Nonces and sessions: bounded in number, and in time by a clock that never goes back.

use std::collections::BTreeMap;
use std::time::Duration;

use node_api::{NONCE_BYTES, SESSION_BYTES};

/// A nonce is good for so long.
const NONCE_LIFE: Duration = Duration::from_secs(30);
/// A session is good for so long.
pub const SESSION_LIFE: Duration = Duration::from_secs(3600);
/// Most nonces, and most sessions, at a time: the one that ends first makes room.
const KEPT_MAX: usize = 1024;

type Secret = [u8; 32];
const _: () = assert!(NONCE_BYTES == 32 && SESSION_BYTES == 32);

/// The nonces and sessions of one node. They end with the process.
#[derive(Default)]
pub struct Sessions {
    nonces: BTreeMap<Secret, Duration>,
    sessions: BTreeMap<Secret, Duration>,
}

impl Sessions {
    /// Notes a nonce that is given out at `now`.
    pub fn give_nonce(&mut self, nonce: Secret, now: Duration) {
        keep(&mut self.nonces, nonce, now, NONCE_LIFE);
    }

    /// Whether this nonce was given out and is still good. It is good once.
    pub fn take_nonce(&mut self, nonce: &[u8], now: Duration) -> bool {
        let until = <&Secret>::try_from(nonce)
            .ok()
            .and_then(|nonce| self.nonces.remove(nonce));
        until.is_some_and(|until| now < until)
    }

    /// Notes a session that is opened at `now`.
    pub fn open(&mut self, session: Secret, now: Duration) {
        keep(&mut self.sessions, session, now, SESSION_LIFE);
    }

    /// Whether this session is open.
    pub fn is_open(&self, session: &Secret, now: Duration) -> bool {
        self.sessions.get(session).is_some_and(|until| now < *until)
    }
}

fn keep(kept: &mut BTreeMap<Secret, Duration>, secret: Secret, now: Duration, life: Duration) {
    if kept.len() >= KEPT_MAX {
        kept.retain(|_, until| now < *until);
    }
    if kept.len() >= KEPT_MAX {
        let first = kept
            .iter()
            .min_by_key(|(_, until)| **until)
            .map(|(secret, _)| *secret);
        first.and_then(|first| kept.remove(&first));
    }
    kept.insert(secret, now + life);
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(seconds: u64) -> Duration {
        Duration::from_secs(seconds)
    }

    #[test]
    fn a_nonce_is_good_once_and_not_for_long() {
        let mut sessions = Sessions::default();
        sessions.give_nonce([1; 32], at(0));
        sessions.give_nonce([2; 32], at(0));
        assert!(sessions.take_nonce(&[1; 32], at(29)));
        assert!(!sessions.take_nonce(&[1; 32], at(29)));
        assert!(!sessions.take_nonce(&[2; 32], at(30)));
        assert!(!sessions.take_nonce(&[3; 32], at(0)));
        assert!(!sessions.take_nonce(&[1; 31], at(0)));
    }

    #[test]
    fn a_session_ends() {
        let mut sessions = Sessions::default();
        sessions.open([1; 32], at(5));
        assert!(sessions.is_open(&[1; 32], at(3604)));
        assert!(!sessions.is_open(&[1; 32], at(3605)));
        assert!(!sessions.is_open(&[2; 32], at(5)));
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut sessions = Sessions::default();
        let secret = |number: u64| {
            let mut secret = [0; 32];
            secret[..8].copy_from_slice(&number.to_le_bytes());
            secret
        };
        for number in 0..=KEPT_MAX as u64 {
            sessions.open(secret(number), Duration::from_millis(number));
        }
        assert_eq!(sessions.sessions.len(), KEPT_MAX);
        assert!(!sessions.is_open(&secret(0), at(2)));
        assert!(sessions.is_open(&secret(KEPT_MAX as u64), at(2)));
    }
}
