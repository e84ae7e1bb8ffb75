//! What ours is compared with: three etcds as plain processes on loopback, on the disk the cache lies on, under a client that
//! does no more than it must: ten of them share an HTTP/2 connection, where ours have an HTTP/1 connection each.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::future::try_join_all;
use hdrhistogram::Histogram;
use http::uri::PathAndQuery;
use prost::Message;
use rand::{RngExt, SeedableRng, rngs::SmallRng};
use tempfile::TempDir;
use tonic::Request;
use tonic::client::Grpc;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

use super::process;
use crate::child::Child;
use crate::environment;
use crate::tools::{self, Cache, ETCD};
use crate::wait;

const MEMBERS: usize = 3;
/// Time for one connection, or one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
const START_WITHIN: Duration = Duration::from_secs(30);
/// Clients that share a connection, as in etcd's own advice for its load tool.
const CLIENTS_PER_CONNECTION: usize = 10;
/// Keys that are written, and what a value has, as in `klusterctl bench`.
const KEYS: u64 = 100_000;
const VALUE_BYTES: usize = 256;
const LATENCY_US_MAX: u64 = 60_000_000;

/// A cluster of three. It ends when this is dropped.
pub struct Etcds {
    members: Vec<Child>,
    /// Where clients reach them.
    urls: Vec<String>,
    _folder: TempDir,
}

/// What a load showed.
#[derive(Clone, Copy, Debug)]
pub struct Written {
    /// Writes that were acknowledged.
    pub writes: u64,
    /// As many a second.
    pub per_second: f64,
    /// The median of what one took, in microseconds.
    pub p50_us: f64,
    /// What 99 in 100 took at most.
    pub p99_us: f64,
}

impl Etcds {
    /// Starts a cluster with etcd's own defaults, in the version of the test-bed, which is built where it is missing.
    ///
    /// # Errors
    /// When it is not there within half a minute.
    pub async fn start() -> Result<Self> {
        let cache = Cache::from_environment()?;
        tools::ensure(&cache, &ETCD, ETCD.programs)?;
        let folder = tempfile::tempdir_in(environment::cache()?)?;
        let urls = free_urls(2 * MEMBERS)?;
        let (clients, peers) = urls.split_at(MEMBERS);
        let cluster: Vec<String> = peers
            .iter()
            .enumerate()
            .map(|(n, url)| format!("{}={url}", name(n)))
            .collect();
        let mut members = Vec::new();
        for (n, (client, peer)) in clients.iter().zip(peers).enumerate() {
            let flags = [
                format!("--name={}", name(n)),
                format!("--data-dir={}", folder.path().join(name(n)).display()),
                format!("--listen-client-urls={client}"),
                format!("--advertise-client-urls={client}"),
                format!("--listen-peer-urls={peer}"),
                format!("--initial-advertise-peer-urls={peer}"),
                format!("--initial-cluster={}", cluster.join(",")),
                "--log-level=warn".to_owned(),
            ];
            let program = cache.program(&ETCD, "etcd");
            members.push(Child::spawn(&name(n), &program, &flags, folder.path())?);
        }
        wait::until("an etcd leads", START_WITHIN, async || {
            Ok(leads(clients).await.is_some())
        })
        .await?;
        Ok(Self {
            members,
            urls: clients.to_vec(),
            _folder: folder,
        })
    }

    /// CPU time of all three so far, in microseconds.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn cpu_us(&self) -> Result<u64> {
        self.members
            .iter()
            .map(|member| process::cpu_us(member.id()))
            .sum()
    }

    /// Has clients write to the leader for some seconds, each one write after the other.
    ///
    /// # Errors
    /// When a write fails.
    pub async fn load(&self, clients: usize, seconds: u32) -> Result<Written> {
        let leader = leads(&self.urls).await.context("no etcd leads")?;
        let connecting = (0..clients.div_ceil(CLIENTS_PER_CONNECTION)).map(|_| connect(&leader));
        let connections = try_join_all(connecting).await?;
        let began = Instant::now();
        let until = began + Duration::from_secs(seconds.into());
        let workers = (0..clients)
            .zip(connections.iter().cycle())
            .map(|(number, connection)| {
                let work = write(number as u64, connection.clone(), until);
                async { tokio::spawn(work).await? }
            });
        let mut all = histogram()?;
        for one in try_join_all(workers).await? {
            all.add(&one)?;
        }
        Ok(Written {
            writes: all.len(),
            per_second: all.len() as f64 / began.elapsed().as_secs_f64(),
            p50_us: all.value_at_quantile(0.5) as f64,
            p99_us: all.value_at_quantile(0.99) as f64,
        })
    }
}

async fn write(number: u64, connection: Channel, until: Instant) -> Result<Histogram<u64>> {
    let mut took = histogram()?;
    let value = Bytes::from(vec![b'v'; VALUE_BYTES]);
    let mut random = SmallRng::seed_from_u64(number);
    let mut client = Grpc::new(connection);
    while Instant::now() < until {
        let put = Put {
            key: format!("bench/{:08}", random.random_range(0..KEYS)).into(),
            value: value.clone(),
        };
        let before = Instant::now();
        let _answer: Answer = call(&mut client, "/etcdserverpb.KV/Put", put).await?;
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
async fn leads(urls: &[String]) -> Option<String> {
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
    connected.with_context(|| format!("failed to reach etcd at {url}"))
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

fn name(member: usize) -> String {
    format!("etcd-{member}")
}

/// Addresses that are free now.
fn free_urls(count: usize) -> Result<Vec<String>> {
    let listen = || TcpListener::bind(("127.0.0.1", 0)).context("failed to find a free port");
    // All are held until all are drawn, so that they differ.
    let held = (0..count).map(|_| listen()).collect::<Result<Vec<_>>>()?;
    let url = |listener: &TcpListener| Ok(format!("http://{}", listener.local_addr()?));
    held.iter().map(url).collect()
}
