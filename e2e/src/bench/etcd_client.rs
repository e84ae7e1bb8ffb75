//! A client of etcd's API that does no more than it must, for etcd and for ours alike: ten clients share a connection.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use http::uri::PathAndQuery;
use prost::Message;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Time for one connection, or one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Clients that share a connection, as in etcd's own advice for its load tool.
const CLIENTS_PER_CONNECTION: usize = 10;
/// Keys that are asked for, and what a value has, as in `klusterctl bench`.
const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 256;
const LATENCY_US_MAX: u64 = 60_000_000;

/// What is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ask {
    /// That a key be set.
    Put,
    /// For the value of a key, which a majority vouches for.
    Linearizable,
    /// For the value of a key, as far as the member knows.
    Serializable,
}

/// What a load showed.
#[derive(Clone, Copy, Debug)]
pub struct Answered {
    /// Questions that were answered.
    pub answers: u64,
    /// As many a second.
    pub per_second: f64,
    /// The median of what one took, in microseconds.
    pub p50_us: f64,
    /// What 99 in 100 took at most.
    pub p99_us: f64,
}

/// Has clients ask whoever leads at these URLs for some seconds, each one question after the other.
///
/// # Errors
/// When a question is not answered.
pub async fn load(urls: &[String], clients: usize, seconds: u32, ask: Ask) -> Result<Answered> {
    let leader = leads(urls).await.context("no member leads")?;
    let connecting = (0..clients.div_ceil(CLIENTS_PER_CONNECTION)).map(|_| connect(&leader));
    let connections = try_join_all(connecting).await?;
    let began = Instant::now();
    let until = began + Duration::from_secs(seconds.into());
    let workers = (0..clients)
        .zip(connections.iter().cycle())
        .map(|(number, connection)| {
            let work = one(number as u64, connection.clone(), until, ask);
            async { tokio::spawn(work).await? }
        });
    let mut all = histogram()?;
    for one in try_join_all(workers).await? {
        all.add(&one)?;
    }
    Ok(Answered {
        answers: all.len(),
        per_second: all.len() as f64 / began.elapsed().as_secs_f64(),
        p50_us: all.value_at_quantile(0.5) as f64,
        p99_us: all.value_at_quantile(0.99) as f64,
    })
}

async fn one(number: u64, connection: Channel, until: Instant, ask: Ask) -> Result<Histogram<u64>> {
    let mut took = histogram()?;
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let mut random = SmallRng::seed_from_u64(number);
    let mut client = Grpc::new(connection);
    while Instant::now() < until {
        let key = Bytes::from(format!("bench/{:08}", random.random_range(0..KEYS)));
        let before = Instant::now();
        match ask {
            Ask::Put => {
                let value = value.clone();
                let put = Put { key, value };
                let _answer: Answer = call(&mut client, "/etcdserverpb.KV/Put", put).await?;
            }
            Ask::Linearizable | Ask::Serializable => {
                let serializable = ask == Ask::Serializable;
                let range = Range { key, serializable };
                let _answer: Found = call(&mut client, "/etcdserverpb.KV/Range", range).await?;
            }
        }
        took.saturating_record(before.elapsed().as_micros() as u64);
    }
    Ok(took)
}

fn histogram() -> Result<Histogram<u64>> {
    Ok(Histogram::new_with_bounds(1, LATENCY_US_MAX, 3)?)
}

/// The part of a put that is used.
#[derive(Clone, PartialEq, Message)]
struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    value: Bytes,
}

/// The part of a range that is used.
#[derive(Clone, PartialEq, Message)]
struct Range {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(bool, tag = "7")]
    serializable: bool,
}

/// The part of what a range found that is used: nothing but its bytes.
#[derive(Clone, PartialEq, Message)]
struct Found {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    kvs: Vec<Bytes>,
}

/// The part of an answer that is used: who gives it, and who leads (only a status tells).
#[derive(Clone, PartialEq, Message)]
struct Answer {
    #[prost(message, optional, tag = "1")]
    header: Option<Header>,
    #[prost(uint64, tag = "4")]
    leader: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Header {
    #[prost(uint64, tag = "2")]
    member_id: u64,
}

#[derive(Clone, PartialEq, Message)]
struct Nothing {}

/// The URL of the member that leads, where one says so.
pub async fn leads(urls: &[String]) -> Option<String> {
    for url in urls {
        let status = async {
            let mut client = Grpc::new(connect(url).await?);
            call::<_, Answer>(&mut client, "/etcdserverpb.Maintenance/Status", Nothing {}).await
        };
        // One that does not answer yet is asked again.
        if let Ok(status) = status.await
            && status.leader != 0
            && status
                .header
                .is_some_and(|header| header.member_id == status.leader)
        {
            return Some(url.clone());
        }
    }
    None
}

async fn connect(url: &str) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .connect_timeout(ANSWER_WITHIN)
        .timeout(ANSWER_WITHIN);
    let connected = endpoint.connect().await;
    connected.with_context(|| format!("failed to reach {url}"))
}

async fn call<Q, A>(client: &mut Grpc<Channel>, path: &'static str, question: Q) -> Result<A>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    client.ready().await?;
    let path = PathAndQuery::from_static(path);
    let codec = ProstCodec::default();
    let answer = client.unary(Request::new(question), path, codec).await?;
    Ok(answer.into_inner())
}
