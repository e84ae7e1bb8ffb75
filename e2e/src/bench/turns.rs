//! Loads that take turns, so that a slow minute of the machine hits all alike, and the medians of what they showed.

use std::time::Duration;

use anyhow::Result;

/// How often each load runs.
pub const ROUNDS: usize = 3;
/// Before each load: none begins while another still puts its disk in order.
const REST: Duration = Duration::from_secs(2);

/// One load and what it showed; NaN where nobody looked.
#[derive(Clone, Copy)]
pub struct Load {
    /// Requests that were answered, or events that were heard, a second.
    pub rate: f64,
    /// The median of what one took, in microseconds.
    pub p50_us: f64,
    /// What 99 in 100 took at most.
    pub p99_us: f64,
    /// CPU time of all servers together for one, in microseconds.
    pub cpu_us: f64,
    /// The median of what the disk took for an fdatasync just before.
    pub fsync_us: f64,
    /// Requests that failed.
    pub errors: f64,
}

/// What a load is.
#[derive(Clone, Copy, Debug)]
pub struct Title {
    /// What is asked, as a part of the figures' names.
    pub what: &'static str,
    /// By how many clients, or for how many watchers.
    pub clients: usize,
    /// At how many requests a second; as many as are answered, where nothing is said.
    pub offered: Option<u32>,
    /// The unit of the rate.
    pub unit: &'static str,
}

impl Title {
    /// What is asked and how fast, as a part of the figures' names.
    pub fn asked(&self) -> String {
        let offered = self.offered.map(|rate| format!("_at_{rate}"));
        format!("{}{}", self.what, offered.unwrap_or_default())
    }
}

/// Runs each case at each side, [`ROUNDS`] times, where no side always comes first. The medians of each case, of the sides in
/// their order.
///
/// # Errors
/// When a load fails.
pub async fn take<C: Copy, S: Copy, const SIDES: usize>(
    cases: &[(Title, C)],
    sides: [S; SIDES],
    mut run: impl AsyncFnMut(C, S) -> Result<Load>,
) -> Result<Vec<(Title, [Load; SIDES])>> {
    let mut seen = vec![[const { Vec::new() }; SIDES]; cases.len()];
    for round in 0..ROUNDS {
        for (number, ((title, case), loads)) in cases.iter().zip(&mut seen).enumerate() {
            eprintln!(
                "round {} of {ROUNDS}, load {} of {}: {}, {} clients",
                round + 1,
                number + 1,
                cases.len(),
                title.asked(),
                title.clients
            );
            let mut turns: Vec<_> = sides.into_iter().zip(loads).collect();
            turns.rotate_left(round % SIDES);
            for (side, loads) in turns {
                tokio::time::sleep(REST).await;
                loads.push(run(*case, side).await?);
            }
        }
    }
    let titles = cases.iter().map(|(title, _)| *title);
    Ok(titles
        .zip(seen.into_iter().map(|loads| loads.map(median_load)))
        .collect())
}

fn median_load(loads: Vec<Load>) -> Load {
    let of = |part: fn(&Load) -> f64| median(loads.iter().map(part).collect());
    Load {
        rate: of(|l| l.rate),
        p50_us: of(|l| l.p50_us),
        p99_us: of(|l| l.p99_us),
        cpu_us: of(|l| l.cpu_us),
        fsync_us: of(|l| l.fsync_us),
        errors: of(|l| l.errors),
    }
}

/// The one in the middle, or NaN where there is none.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
