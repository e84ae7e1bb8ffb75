//! What goes over the wire: of etcd's messages the parts that are used, a connection, a question, a conversation.

use std::time::Duration;

use anyhow::{Context, Result};
use bytes::Bytes;
use futures::channel::mpsc::{self, Sender};
use futures::future::try_join_all;
use futures::{SinkExt, StreamExt};
use http::uri::PathAndQuery;
use prost::Message;
use tokio::time::timeout;
use tonic::Request;
use tonic::client::Grpc;
use tonic::codec::Streaming;
use tonic::transport::{Channel, Endpoint};
use tonic_prost::ProstCodec;

/// Time for one connection, or one answer.
const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Clients that share a connection, as in etcd's own advice for its load tool.
const CLIENTS_PER_CONNECTION: usize = 10;

pub const PUT: &str = "/etcdserverpb.KV/Put";
pub const RANGE: &str = "/etcdserverpb.KV/Range";
pub const TXN: &str = "/etcdserverpb.KV/Txn";
pub const WATCH: &str = "/etcdserverpb.Watch/Watch";
pub const LEASE_GRANT: &str = "/etcdserverpb.Lease/LeaseGrant";
pub const LEASE_KEEP_ALIVE: &str = "/etcdserverpb.Lease/LeaseKeepAlive";
const STATUS: &str = "/etcdserverpb.Maintenance/Status";

/// A put.
#[derive(Clone, PartialEq, Message)]
pub struct Put {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub value: Bytes,
}

/// A range of one key.
#[derive(Clone, PartialEq, Message)]
pub struct Range {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
    #[prost(bool, tag = "7")]
    pub serializable: bool,
}

/// What a range found: nothing but its bytes.
#[derive(Clone, PartialEq, Message)]
pub struct Found {
    #[prost(bytes = "bytes", repeated, tag = "2")]
    pub kvs: Vec<Bytes>,
}

/// A transaction without conditions.
#[derive(Clone, PartialEq, Message)]
pub struct Txn {
    #[prost(message, repeated, tag = "2")]
    pub success: Vec<Operation>,
}

/// One of these.
#[derive(Clone, PartialEq, Message)]
pub struct Operation {
    #[prost(message, optional, tag = "1")]
    pub range: Option<Range>,
    #[prost(message, optional, tag = "2")]
    pub put: Option<Put>,
}

/// The wish for a lease.
#[derive(Clone, PartialEq, Message)]
pub struct Grant {
    #[prost(int64, tag = "1")]
    pub ttl_seconds: i64,
}

/// The wish to keep one.
#[derive(Clone, PartialEq, Message)]
pub struct KeepAlive {
    #[prost(int64, tag = "1")]
    pub id: i64,
}

/// The answer to both; a lease that is gone has no time left.
#[derive(Clone, PartialEq, Message)]
pub struct Lease {
    #[prost(int64, tag = "2")]
    pub id: i64,
    #[prost(int64, tag = "3")]
    pub ttl_seconds: i64,
}

/// The wish to watch.
#[derive(Clone, PartialEq, Message)]
pub struct Watch {
    #[prost(message, optional, tag = "1")]
    pub create: Option<Watched>,
}

/// The key that is watched, from now on.
#[derive(Clone, PartialEq, Message)]
pub struct Watched {
    #[prost(bytes = "bytes", tag = "1")]
    pub key: Bytes,
}

/// What a watch tells.
#[derive(Clone, PartialEq, Message)]
pub struct Told {
    #[prost(bool, tag = "4")]
    pub canceled: bool,
    #[prost(string, tag = "6")]
    pub cancel_reason: String,
    #[prost(message, repeated, tag = "11")]
    pub events: Vec<Event>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Event {
    #[prost(message, optional, tag = "2")]
    pub kv: Option<Kv>,
}

#[derive(Clone, PartialEq, Message)]
pub struct Kv {
    #[prost(bytes = "bytes", tag = "5")]
    pub value: Bytes,
}

/// Any answer: who gives it, and who leads (only a status tells).
#[derive(Clone, PartialEq, Message)]
pub struct Answer {
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
        let Ok(connection) = connect(url).await else {
            continue;
        };
        let status = call::<_, Answer>(&mut Grpc::new(connection), STATUS, Nothing {}).await;
        let leads = |answer: &Answer| {
            let member = answer.header.as_ref().map(|header| header.member_id);
            answer.leader != 0 && member == Some(answer.leader)
        };
        if status.as_ref().is_ok_and(leads) {
            return Some(url.clone());
        }
    }
    None
}

/// Sets one key at this URL.
///
/// # Errors
/// When the put is not answered.
pub async fn put(url: &str, key: Bytes, value: Bytes) -> Result<()> {
    let mut client = Grpc::new(connect(url).await?);
    call::<_, Answer>(&mut client, PUT, Put { key, value })
        .await
        .map(drop)
}

/// Whether the member at this URL answers a read that a majority vouches for.
pub async fn serves(url: &str) -> bool {
    let Ok(connection) = connect(url).await else {
        return false;
    };
    let key = Bytes::from_static(b"any");
    let serializable = false;
    let range = Range { key, serializable };
    call::<_, Found>(&mut Grpc::new(connection), RANGE, range)
        .await
        .is_ok()
}

/// Connections to whoever leads, as many as so many clients share.
pub async fn connections(urls: &[String], clients: usize) -> Result<Vec<Channel>> {
    let leader = leads(urls).await.context("no member leads")?;
    let connecting = (0..clients.div_ceil(CLIENTS_PER_CONNECTION)).map(|_| connect(&leader));
    try_join_all(connecting).await
}

async fn connect(url: &str) -> Result<Channel> {
    let endpoint = Endpoint::from_shared(url.to_owned())?
        .tcp_nodelay(true)
        .connect_timeout(ANSWER_WITHIN)
        .timeout(ANSWER_WITHIN);
    let connected = endpoint.connect().await;
    connected.with_context(|| format!("failed to reach {url}"))
}

/// Asks one question.
pub async fn call<Q, A>(client: &mut Grpc<Channel>, path: &'static str, question: Q) -> Result<A>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    client.ready().await?;
    let method = PathAndQuery::from_static(path);
    let codec = ProstCodec::default();
    let answer = client.unary(Request::new(question), method, codec).await;
    let answer = answer.with_context(|| format!("failed to ask {path}"))?;
    Ok(answer.into_inner())
}

/// A stream of questions and one of answers.
pub struct Conversation<Q, A> {
    questions: Sender<Q>,
    answers: Streaming<A>,
}

impl<Q, A> Conversation<Q, A>
where
    Q: Message + Send + Sync + 'static,
    A: Message + Default + Send + Sync + 'static,
{
    /// Begins one with a question, and waits for its answer, which says no more than that it began: etcd is silent until it has
    /// something to answer.
    pub async fn open(connection: Channel, path: &'static str, first: Q) -> Result<Self> {
        let (mut questions, asked) = mpsc::channel(1);
        questions.send(first).await?;
        let mut client = Grpc::new(connection);
        client.ready().await?;
        let method = PathAndQuery::from_static(path);
        let codec = ProstCodec::default();
        let answers = client.streaming(Request::new(asked), method, codec).await;
        let answers = answers.with_context(|| format!("failed to begin {path}"))?;
        let mut begun = Self {
            questions,
            answers: answers.into_inner(),
        };
        timeout(ANSWER_WITHIN, begun.hear()).await??;
        Ok(begun)
    }

    /// Asks one question.
    pub async fn ask(&mut self, question: Q) -> Result<A> {
        self.questions.send(question).await?;
        timeout(ANSWER_WITHIN, self.hear()).await?
    }

    /// What is said next, however long it takes.
    pub async fn hear(&mut self) -> Result<A> {
        let answer = self.answers.next().await;
        Ok(answer.context("the server ended the stream")??)
    }
}
