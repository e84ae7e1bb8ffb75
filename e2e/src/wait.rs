//! Waiting for a condition, with a deadline. Nothing in this crate sleeps for a fixed time and hopes.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

/// How often a condition is looked at.
const EVERY: Duration = Duration::from_millis(50);

/// Looks at `condition` until it holds. An error from it ends the wait at once; so does the deadline.
pub async fn until(
    what: &str,
    within: Duration,
    mut condition: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition().await? {
        if start.elapsed() > within {
            bail!("waited {} s in vain until {what}", within.as_secs());
        }
        tokio::time::sleep(EVERY).await;
    }
    Ok(())
}

/// [`until`] for code without a runtime.
pub fn until_blocking(
    what: &str,
    within: Duration,
    mut condition: impl FnMut() -> Result<bool>,
) -> Result<()> {
    let start = Instant::now();
    while !condition()? {
        if start.elapsed() > within {
            bail!("waited {} s in vain until {what}", within.as_secs());
        }
        std::thread::sleep(EVERY);
    }
    Ok(())
}
