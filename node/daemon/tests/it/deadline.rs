//! Waiting for a condition, never for a time.

use std::time::{Duration, Instant};

/// Time that anything may take on a busy machine.
pub const LONG: Duration = Duration::from_secs(60);

/// Asks again and again until `ask` gives something; panics with what it said last when the deadline has passed.
pub async fn eventually<T>(what: &str, mut ask: impl AsyncFnMut() -> Result<T, String>) -> T {
    let begun = Instant::now();
    loop {
        match ask().await {
            Ok(found) => return found,
            Err(why) if begun.elapsed() > LONG => panic!("{what}: not within {LONG:?}: {why}"),
            Err(_) => tokio::time::sleep(Duration::from_millis(20)).await,
        }
    }
}

/// `Ok` where the condition holds.
pub fn check(holds: bool, why: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(why()) }
}
