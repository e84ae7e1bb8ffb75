//! What a load showed, for people and as JSON.

use std::collections::BTreeMap;
use std::fmt;

use hdrhistogram::Histogram;
use serde::Serialize;

/// The longest latency that is told apart from longer ones: a minute.
pub const LATENCY_US_MAX: u64 = 60_000_000;

/// Quantiles of a latency, in microseconds.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub struct Latency {
    /// The median.
    pub p50: u64,
    /// The 99th percentile.
    pub p99: u64,
    /// The 99.9th percentile.
    #[serde(rename = "p99.9")]
    pub p999: u64,
    /// The longest.
    pub max: u64,
}

impl Latency {
    /// The quantiles of a histogram of microseconds.
    pub fn of(histogram: &Histogram<u64>) -> Self {
        Self {
            p50: histogram.value_at_quantile(0.5),
            p99: histogram.value_at_quantile(0.99),
            p999: histogram.value_at_quantile(0.999),
            max: histogram.max(),
        }
    }
}

impl fmt::Display for Latency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "p50 {} us, p99 {} us, p99.9 {} us, longest {} us",
            self.p50, self.p99, self.p999, self.max
        )
    }
}

/// What a load showed.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// Connections that wrote and read at once.
    pub clients: usize,
    /// Requests under way on each connection's behalf.
    pub in_flight: usize,
    /// Bytes of each value.
    pub value_bytes: usize,
    /// How long it ran.
    pub seconds: f64,
    /// Acknowledged writes.
    pub writes: u64,
    /// Answered reads.
    pub reads: u64,
    /// Acknowledged writes a second.
    pub writes_per_second: f64,
    /// Answered reads a second.
    pub reads_per_second: f64,
    /// Latency of acknowledged writes.
    pub write_us: Latency,
    /// Latency of answered reads.
    pub read_us: Latency,
    /// Requests that failed.
    pub errors: u64,
    /// The same by kind.
    pub errors_by_kind: BTreeMap<String, u64>,
    /// fdatasync of a 4 KiB append, measured just before the load.
    pub fsync_us: Latency,
}

impl fmt::Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            clients,
            in_flight,
            value_bytes,
            seconds,
            ..
        } = self;
        writeln!(
            f,
            "{clients} clients, {in_flight} in flight each, {value_bytes}-byte values, {seconds:.1} s"
        )?;
        writeln!(
            f,
            "writes  {:>10.0} /s   {}",
            self.writes_per_second, self.write_us
        )?;
        if self.reads > 0 {
            writeln!(
                f,
                "reads   {:>10.0} /s   {}",
                self.reads_per_second, self.read_us
            )?;
        }
        writeln!(f, "disk    fdatasync       {}", self.fsync_us)?;
        write!(f, "errors  {:>10}", self.errors)?;
        for (kind, count) in &self.errors_by_kind {
            write!(f, "\n        {count:>10} {kind}")?;
        }
        Ok(())
    }
}
