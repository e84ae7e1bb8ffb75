//! Clients that each ask one question after the other, as fast as they are answered or at a rate.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tokio::time::{Interval, interval_at, timeout_at};
use tonic::client::Grpc;
use tonic::transport::Channel;

use super::wire::{
    Answer, Conversation, Found, Grant, KeepAlive, LEASE_GRANT, LEASE_KEEP_ALIVE, Lease, Operation,
    PUT, Put, RANGE, Range, TXN, Txn, call, connections,
};

/// Keys that are asked for, and what a value has, as in `klusterctl bench`.
pub const KEYS: u64 = 100_000;
pub const VALUE_BYTES: usize = 256;
const LATENCY_US_MAX: u64 = 60_000_000;
/// Clients that fill a cluster, and the keys each puts at once: etcd takes no more.
const FILLERS: usize = 16;
const KEYS_AT_ONCE: u64 = 128;
/// What a lease is granted; longer than any load.
const LEASE_SECONDS: i64 = 60;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// That a key be set.
    Put,
    /// For the value of a key, which a majority vouches for.
    Linearizable,
    /// For the value of a key, as far as the member knows.
    Serializable,
    /// For a transaction, of which every other one puts and the others read.
    Txn,
    /// That a lease of the client's own be kept, over one stream.
    KeepAlive,
}

/// How many ask what.
#[derive(Clone, Copy, Debug)]
pub struct Crowd {
    /// What they ask.
    pub ask: Ask,
    /// How many they are.
    pub clients: usize,
    /// Questions a second of all together; as many as are answered, where nothing is said.
    pub offered: Option<u32>,
}

/// What a load showed.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Questions that were answered.
    pub answers: u64,
    /// As many a second.
    pub per_second: f64,
    /// The median of what one took, in microseconds; NaN where nobody looked.
    pub p50_us: f64,
    /// What 99 in 100 took at most.
    pub p99_us: f64,
    /// Questions that were answered with an error.
    pub errors: u64,
}

impl Answered {
    /// What all together took since they began.
    pub(super) fn of(took: &Histogram<u64>, began: Instant) -> Self {
        Self {
            answers: took.len(),
            per_second: took.len() as f64 / began.elapsed().as_secs_f64(),
            p50_us: took.value_at_quantile(0.5) as f64,
            p99_us: took.value_at_quantile(0.99) as f64,
            errors: 0,
        }
    }
}

/// Has clients ask whoever leads at these URLs for some seconds.
///
/// # Errors
/// When a question is not answered.
pub async fn load(urls: &[String], crowd: Crowd, seconds: u32) -> Result<Answered> {
    let connections = connections(urls, crowd.clients).await?;
    let opening = (0..crowd.clients)
        .zip(connections.iter().cycle())
        .map(|(number, connection)| Client::start(number, connection.clone(), crowd));
    let clients = try_join_all(opening).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds.into());
    let workers = clients.into_iter().map(|client| {
        let work = client.work(until);
        async { tokio::spawn(work).await? }
    });
    let mut all = histogram()?;
    for one in try_join_all(workers).await? {
        all.add(&one)?;
    }
    Ok(Answered::of(&all, began))
}

struct Client {
    ask: Ask,
    pace: Option<Interval>,
    grpc: Grpc<Channel>,
    random: SmallRng,
    lease: Option<(i64, Conversation<KeepAlive, Lease>)>,
}

impl Client {
    async fn start(number: usize, connection: Channel, crowd: Crowd) -> Result<Self> {
        let pace = crowd.offered.map(|offered| {
            let turn = Duration::from_secs(1) / offered.max(1);
            // Each has its own place in the second, so that they do not ask all at once.
            let first = tokio::time::Instant::now() + turn * number as u32;
            interval_at(first, turn * crowd.clients as u32)
        });
        let mut grpc = Grpc::new(connection.clone());
        let lease = match crowd.ask {
            Ask::KeepAlive => {
                let ttl_seconds = LEASE_SECONDS;
                let granted: Lease = call(&mut grpc, LEASE_GRANT, Grant { ttl_seconds }).await?;
                let id = granted.id;
                let first = KeepAlive { id };
                let kept = Conversation::open(connection, LEASE_KEEP_ALIVE, first).await?;
                Some((id, kept))
            }
            _ => None,
        };
        Ok(Self {
            ask: crowd.ask,
            pace,
            grpc,
            random: SmallRng::seed_from_u64(number as u64),
            lease,
        })
    }

    async fn work(mut self, until: Instant) -> Result<Histogram<u64>> {
        let mut took = histogram()?;
        loop {
            let its_turn = match &mut self.pace {
                Some(pace) => timeout_at(until.into(), pace.tick()).await.is_ok(),
                None => true,
            };
            let before = Instant::now();
            if !its_turn || before >= until {
                return Ok(took);
            }
            self.ask().await?;
            took.saturating_record(before.elapsed().as_micros() as u64);
        }
    }

    async fn ask(&mut self) -> Result<()> {
        let number = self.random.random_range(0..KEYS);
        match self.ask {
            Ask::Put => {
                let _answer: Answer = call(&mut self.grpc, PUT, new(number)).await?;
            }
            Ask::Linearizable => {
                let _answer: Found = call(&mut self.grpc, RANGE, range(number, false)).await?;
            }
            Ask::Serializable => {
                let _answer: Found = call(&mut self.grpc, RANGE, range(number, true)).await?;
            }
            Ask::Txn => {
                let puts = number.is_multiple_of(2);
                let one = Operation {
                    range: (!puts).then(|| range(number, false)),
                    put: puts.then(|| new(number)),
                };
                let success = vec![one];
                let _answer: Answer = call(&mut self.grpc, TXN, Txn { success }).await?;
            }
            Ask::KeepAlive => {
                if let Some((id, kept)) = &mut self.lease {
                    let kept = kept.ask(KeepAlive { id: *id }).await?;
                    ensure!(kept.ttl_seconds > 0, "lease {id} is gone");
                }
            }
        }
        Ok(())
    }
}

/// Puts this many keys at whoever leads, those that loads ask for first.
///
/// # Errors
/// When a put is not answered.
pub async fn fill(urls: &[String], keys: u64) -> Result<()> {
    let next = Arc::new(AtomicU64::new(0));
    let connections = connections(urls, FILLERS).await?;
    let fillers = connections.iter().cycle().take(FILLERS).map(|connection| {
        let (mut grpc, next) = (Grpc::new(connection.clone()), next.clone());
        let work = async move {
            loop {
                let first = next.fetch_add(KEYS_AT_ONCE, Ordering::Relaxed);
                if first >= keys {
                    return Ok(());
                }
                let puts = (first..keys.min(first + KEYS_AT_ONCE)).map(|number| Operation {
                    range: None,
                    put: Some(new(number)),
                });
                let success = puts.collect();
                let _answer: Answer = call(&mut grpc, TXN, Txn { success }).await?;
            }
        };
        async { tokio::spawn(work).await? }
    });
    try_join_all(fillers).await.map(drop)
}

fn new(number: u64) -> Put {
    Put {
        key: key(number),
        value: Bytes::from(vec![b'v'; VALUE_BYTES]),
    }
}

fn range(number: u64, serializable: bool) -> Range {
    Range {
        key: key(number),
        serializable,
    }
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("bench/{number:08}"))
}

pub(super) fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?)
}
