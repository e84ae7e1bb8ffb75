//! What a million keys take of memory, and how long a member takes to be back with them, on ours and on etcd.

use std::time::Duration;

use anyhow::Result;

use super::figures::print;
use super::pair::{Pair, SIDES, Side};
use super::process;
use super::turns::{ROUNDS, median};

/// Keys of 14 bytes with values of 256.
const KEYS: u64 = 1_000_000;
/// After the last put, for what goes on behind it.
const REST: Duration = Duration::from_secs(10);

/// Takes the figures and prints them: of memory all that is in RAM, and that without mapped files, of which etcd has its
/// database.
///
/// # Errors
/// When a member does not take the keys, or does not come back.
pub async fn measure() -> Result<()> {
    let mut pair = Pair::start().await?;
    let memory = |pair: &Pair, side: Side| -> Result<[f64; 2]> {
        let members = pair.processes(side);
        let all = process::largest_mib(&members, process::memory_mib)?;
        let anonymous = process::largest_mib(&members, process::anonymous_mib)?;
        Ok([all, anonymous])
    };
    let empty = [memory(&pair, SIDES[0])?, memory(&pair, SIDES[1])?];
    pair.fill(KEYS).await?;
    tokio::time::sleep(REST).await;
    for (side, empty) in SIDES.into_iter().zip(empty) {
        let names = ["memory_per_key", "anonymous_memory_per_key"];
        for ((name, full), empty) in names.iter().zip(memory(&pair, side)?).zip(empty) {
            let bytes = (full - empty) * f64::from(1 << 20) / KEYS as f64;
            print(&format!("{side}_{name}"), bytes, "bytes");
        }
    }
    let mut took = SIDES.map(|_| Vec::new());
    for round in 0..ROUNDS {
        for (side, took) in SIDES.into_iter().zip(&mut took) {
            eprintln!("round {} of {ROUNDS}: {side} is restarted", round + 1);
            took.push(pair.restart(side).await?);
        }
    }
    for (side, took) in SIDES.into_iter().zip(took) {
        print(&format!("{side}_restart_many_keys_s"), median(took), "s");
    }
    Ok(())
}
