//! What the tool is asked to do, and what of its reports counts.

use anyhow::{Context, Result};

use super::report::Report;
use crate::bench::etcd_client::Answered;

/// The key that ranges read.
pub const KEY: &str = "benchmark";
/// As in `klusterctl bench`.
pub const VALUE_BYTES: usize = 256;
const KEY_BYTES: usize = 16;
const KEYS: usize = 100_000;
/// Keys that a transaction reads, from the first one on.
const KEYS_READ: usize = 10;
/// What a first look takes at least.
const FEW: usize = 300;
/// More clients than this share connections.
const CONNECTIONS_MAX: usize = 100;
/// The watched key is put as often a second, and less often where watchers would hear more than so many events.
const PUTS_PER_SECOND: usize = 100;
const EVENTS_PER_SECOND: usize = 20_000;

/// One of the tool's commands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Command {
    /// Puts.
    Put,
    /// Reads of a key that a majority vouches for.
    Linearizable,
    /// Reads of a key as far as the member knows.
    Serializable,
    /// Transactions of which half put and half read.
    Mixed,
    /// Puts at a rate, and the time from the answer of each to its event.
    WatchLatency,
    /// Puts as fast as they are answered, and how fast their events come. Each client is a watcher, and puts.
    FanOut,
    /// Leases that are kept, each time over a new stream.
    KeepAlive,
}

/// All, with the names of their figures.
pub const ALL: [(Command, &str); 7] = [
    (Command::Put, "put"),
    (Command::Linearizable, "linearizable_range"),
    (Command::Serializable, "serializable_range"),
    (Command::Mixed, "txn_mixed"),
    (Command::WatchLatency, "watch_latency"),
    (Command::FanOut, "watch_fan_out"),
    (Command::KeepAlive, "lease_keep_alive"),
];

impl Command {
    /// What its rate counts.
    pub fn unit(self) -> &'static str {
        match self {
            Self::WatchLatency | Self::FanOut => "events/s",
            _ => "requests/s",
        }
    }

    /// How many requests of each client, or events of each watcher, show about how fast a server is.
    pub fn few(self, clients: usize) -> usize {
        let each = match self {
            Self::FanOut => 20,
            _ => 4,
        };
        FEW.div_ceil(clients) + each
    }

    /// How many of each take `seconds` at that rate of all together.
    pub fn many(self, clients: usize, rate: f64, seconds: u32) -> usize {
        match self {
            // It has its own rate.
            Self::WatchLatency => put_rate(clients) * seconds as usize,
            _ => (rate * f64::from(seconds) / clients as f64) as usize,
        }
        .max(1)
    }

    /// The tool's arguments for so many of each.
    pub fn arguments(self, clients: usize, each: usize) -> Vec<String> {
        let values = format!("--key-size={KEY_BYTES} --val-size={VALUE_BYTES}");
        let total = each * clients;
        let asked = match self {
            Self::Put => format!("put {values} --key-space-size={KEYS} --total={total}"),
            Self::Linearizable => format!("range {KEY} --consistency=l --total={total}"),
            Self::Serializable => format!("range {KEY} --consistency=s --total={total}"),
            Self::Mixed => format!(
                "txn-mixed {values} --key-space-size={KEYS} --limit={KEYS_READ} --total={total}"
            ),
            Self::WatchLatency => format!(
                "watch-latency {values} --streams={clients} --watchers-per-stream=1 --put-rate={} --put-total={each}",
                put_rate(clients)
            ),
            Self::FanOut => {
                format!("watch --streams={clients} --watch-per-stream=1 --put-total={each}")
            }
            Self::KeepAlive => format!("lease-keepalive --total={total}"),
        };
        let connections = clients.min(CONNECTIONS_MAX);
        let all = format!("--precise --clients={clients} --conns={connections} {asked}");
        all.split(' ').map(str::to_owned).collect()
    }

    /// What the reports say of so many requests, or events, of all together.
    ///
    /// # Errors
    /// When there is no report of them.
    pub fn answered(self, reports: &[Report], total: usize) -> Result<Answered> {
        let last = reports.last().context("the tool printed no report")?;
        let mut answered = Answered {
            answers: total as u64,
            per_second: last.rate,
            p50_us: last.p50_us,
            p99_us: last.p99_us,
            errors: last.errors,
        };
        match self {
            // The tool counts those that read and those that put by themselves.
            Self::Mixed => {
                let largest = |of: fn(&Report) -> f64| reports.iter().map(of).fold(0.0, f64::max);
                answered.per_second = reports.iter().map(|report| report.rate).sum();
                answered.p50_us = largest(|report| report.p50_us);
                answered.p99_us = largest(|report| report.p99_us);
                answered.errors = reports.iter().map(|report| report.errors).sum();
            }
            // It looks at events after all have come.
            Self::WatchLatency => answered.per_second = f64::NAN,
            // It measures what it takes itself to count an event.
            Self::FanOut => (answered.p50_us, answered.p99_us) = (f64::NAN, f64::NAN),
            _ => {}
        }
        Ok(answered)
    }
}

fn put_rate(watchers: usize) -> usize {
    (EVENTS_PER_SECOND / watchers).clamp(1, PUTS_PER_SECOND)
}

#[cfg(test)]
mod tests {
    use super::Command;

    #[test]
    fn watchers_hear_no_more_events_than_the_tool_can_count() {
        let command = Command::WatchLatency;
        for (watchers, rate, puts) in [(1, 100, 500), (64, 100, 500), (1000, 20, 100)] {
            let each = command.many(watchers, f64::INFINITY, 5);
            let arguments = command.arguments(watchers, each);
            let wanted = [format!("--put-rate={rate}"), format!("--put-total={puts}")];
            assert_eq!(arguments[arguments.len() - 2..], wanted);
        }
    }
}
