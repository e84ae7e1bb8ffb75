//! The load itself: as many connections as clients times requests in flight, each with one request at a time; or a stream for
//! each client.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use bytes::Bytes;
use futures::future::join_all;
use hdrhistogram::Histogram;
use node_api::{Consistency, Data, DataError, WriteOptions};

use super::disk::fdatasync_latency;
use super::report::{LATENCY_US_MAX, Latency, Report};
use super::stream;
use crate::arguments::Load;
use crate::output;

/// How long a connection rests after a failed request, so that a node that is away is not hammered.
pub(super) const REST_AFTER_ERROR: Duration = Duration::from_millis(50);

/// What one connection did.
pub(super) struct Tally {
    pub writes: Histogram<u64>,
    reads: Histogram<u64>,
    errors: BTreeMap<&'static str, u64>,
}

impl Tally {
    pub fn new() -> Result<Self> {
        Ok(Self {
            writes: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
            reads: Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?,
            errors: BTreeMap::new(),
        })
    }

    pub fn error(&mut self, error: &DataError) {
        *self.errors.entry(kind(error)).or_default() += 1;
    }

    fn add(&mut self, other: &Self) -> Result<()> {
        self.writes.add(&other.writes)?;
        self.reads.add(&other.reads)?;
        for (kind, count) in &other.errors {
            *self.errors.entry(kind).or_default() += count;
        }
        Ok(())
    }
}

/// Runs the load and prints what it showed. It fails only if nothing at all was answered.
///
/// # Errors
/// When an address is wrong, the disk cannot be measured, or no request was answered.
pub async fn run(load: &Load) -> Result<ExitCode> {
    let fsync_us = fdatasync_latency(&load.dir)?;
    let connections = match load.streams {
        true => load.clients,
        false => load.clients * load.in_flight,
    };
    // An address that makes no sense is told before anything is loaded.
    for url in &load.urls {
        Data::new(url)?;
    }
    let start = Instant::now();
    let until = start + Duration::from_secs(load.seconds.into());
    let workers = (load.urls.iter().cloned().cycle())
        .take(connections as usize)
        .enumerate()
        .map(|(number, url)| {
            let load = load.clone();
            tokio::spawn(async move {
                match load.streams {
                    true => stream::work(number as u64, &url, &load, until).await,
                    false => work(number as u64, Data::new(&url)?, &load, until).await,
                }
            })
        });
    let mut all = Tally::new()?;
    for tally in join_all(workers).await {
        all.add(&tally??)?;
    }
    let report = report(load, &all, start.elapsed().as_secs_f64(), fsync_us);
    if load.json {
        output::line(serde_json::to_string(&report)?)?;
    } else {
        output::line(&report)?;
    }
    if report.writes + report.reads == 0 {
        bail!("not one request was answered; --http names the nodes to load");
    }
    Ok(ExitCode::SUCCESS)
}

async fn work(number: u64, mut data: Data, load: &Load, until: Instant) -> Result<Tally> {
    let mut tally = Tally::new()?;
    let value = Bytes::from(vec![b'v'; load.value_bytes as usize]);
    let mut chance = Chance::of(number);
    while Instant::now() < until {
        let random = chance.next();
        let key = key(random, load);
        let reads = random % 100 < u64::from(load.read_percent);
        let before = Instant::now();
        let done = if reads {
            data.get(key.as_bytes(), &Consistency::Linearizable)
                .await
                .map(|_| ())
        } else {
            data.put(key.as_bytes(), value.clone(), &WriteOptions::default())
                .await
                .map(|_| ())
        };
        let took_us = before.elapsed().as_micros() as u64;
        match done {
            Ok(()) if reads => tally.reads.saturating_record(took_us),
            Ok(()) => tally.writes.saturating_record(took_us),
            Err(error) => {
                tally.error(&error);
                tokio::time::sleep(REST_AFTER_ERROR).await;
            }
        }
    }
    Ok(tally)
}

fn kind(error: &DataError) -> &'static str {
    match error {
        DataError::Url { .. } => "bad address",
        DataError::Rejected { .. } => "rejected",
        DataError::Unavailable { .. } => "unavailable (surely not applied)",
        DataError::Unknown { .. } => "unknown (may have been applied)",
    }
}

/// xorshift64 (Marsaglia 2003): enough to spread keys.
pub(super) struct Chance(u64);

impl Chance {
    pub fn of(worker: u64) -> Self {
        Self(worker.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0
    }
}

pub(super) fn key(random: u64, load: &Load) -> String {
    format!("bench/{:08}", (random >> 32) % u64::from(load.keys))
}

fn report(load: &Load, all: &Tally, seconds: f64, fsync_us: Latency) -> Report {
    let (writes, reads) = (all.writes.len(), all.reads.len());
    Report {
        clients: load.clients as usize,
        in_flight: load.in_flight as usize,
        value_bytes: load.value_bytes as usize,
        seconds,
        writes,
        reads,
        writes_per_second: writes as f64 / seconds,
        reads_per_second: reads as f64 / seconds,
        write_us: Latency::of(&all.writes),
        read_us: Latency::of(&all.reads),
        errors: all.errors.values().sum(),
        errors_by_kind: all
            .errors
            .iter()
            .map(|(kind, count)| ((*kind).to_owned(), *count))
            .collect(),
        fsync_us,
    }
}
