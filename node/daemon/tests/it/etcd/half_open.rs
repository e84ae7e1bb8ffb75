//! Calls that were begun and do not go on.

use bytes::Bytes;
use e2e::bench::process::memory_mib;
use futures::future::join_all;
use futures::stream::{FuturesUnordered, StreamExt};
use h2::SendStream;
use h2::client::{ResponseFuture, SendRequest};
use http::Request;
use tokio::net::TcpStream;
use tokio::task::JoinHandle;
use tokio::time::timeout;
use tonic::Code;

use super::gateway::post;
use super::{Clients, bytes, get, put};
use crate::cluster::Cluster;
use crate::deadline::{LONG, eventually};

const CONNECTIONS: usize = 25;
/// As many as a connection may have.
const CALLS: usize = 4096;
/// Of all, so many have a place.
const PLACES: usize = 16_384;
/// More memory, in MiB, than so many calls may take.
const GROWS_MAX_MIB: f64 = 640.0;

/// A connection with calls of which only the heads were sent.
struct HalfOpen {
    calls: Vec<(ResponseFuture, SendStream<Bytes>)>,
    connection: JoinHandle<()>,
}

impl Drop for HalfOpen {
    fn drop(&mut self) {
        self.connection.abort();
    }
}

impl HalfOpen {
    async fn begin(address: &str) -> HalfOpen {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut requests, connection) = h2::client::handshake(stream).await.unwrap();
        // It fails where it is dropped with calls under way, as it is here.
        let connection = tokio::spawn(async move { drop(connection.await) });
        let mut calls = Vec::new();
        for number in 0..CALLS {
            calls.push(call(&mut requests, address, number).await);
        }
        HalfOpen { calls, connection }
    }
}

async fn call(
    requests: &mut SendRequest<Bytes>,
    address: &str,
    number: usize,
) -> (ResponseFuture, SendStream<Bytes>) {
    let methods = [
        "etcdserverpb.KV/Range",
        "etcdserverpb.KV/Put",
        "etcdserverpb.Watch/Watch",
        "etcdserverpb.Lease/LeaseKeepAlive",
        "v3lockpb.Lock/Lock",
    ];
    let method = methods[number % methods.len()];
    let request = Request::post(format!("http://{address}/{method}"))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(());
    std::future::poll_fn(|context| requests.poll_ready(context))
        .await
        .unwrap();
    requests.send_request(request.unwrap(), false).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_hundred_thousand_half_open_calls_take_bounded_memory() {
    let cluster = Cluster::start(1).formed().await;
    let node = &cluster.nodes[0];
    let clients = Clients::of(node);
    clients.put(put("key", "before")).await.unwrap();
    let before = memory_mib(node.id()).unwrap();

    let begun = (0..CONNECTIONS).map(|_| HalfOpen::begin(&node.bound.etcd));
    let mut half_open = timeout(LONG, join_all(begun)).await.unwrap();
    let answers = half_open.iter_mut().flat_map(|of| &mut of.calls);
    let mut answers: FuturesUnordered<_> = answers.map(|(answer, _)| answer).collect();
    let refused_min = CONNECTIONS * CALLS - PLACES;
    for _ in 0..refused_min {
        let answer = timeout(LONG, answers.next()).await.unwrap();
        let answer = answer.unwrap().unwrap();
        // Those of streams are answered at once; what they go on with is counted all the same.
        let status = answer.headers().get("grpc-status");
        assert!(status.is_none_or(|status| status == "8"), "{answer:?}");
    }
    drop(answers);
    let grown = memory_mib(node.id()).unwrap() - before;
    println!("{grown:.0} MiB more for {} calls", CONNECTIONS * CALLS);
    assert!(grown < GROWS_MAX_MIB, "{grown} MiB");

    let error = clients.put(put("key", "meanwhile")).await.unwrap_err();
    assert_eq!(error.code(), Code::ResourceExhausted, "{error:?}");
    assert_eq!(error.message(), "etcdserver: too many requests");
    let json = r#"{"key":"Zm9v","value":"YmFy"}"#;
    let (status, body) = post(&node.bound.etcd, "/v3/kv/put", json).await;
    assert_eq!(status, "429", "{body}");
    assert!(body.contains("etcdserver: too many requests"), "{body}");
    let mut data = node.data();
    data.put(b"plain", bytes("meanwhile"), &Default::default())
        .await
        .unwrap();

    drop(half_open);
    eventually("calls have places again", async || {
        let outcome = clients.put(put("key", "after")).await;
        outcome.map_err(|error| error.to_string())
    })
    .await;
    assert_eq!(clients.range(get("key")).await.unwrap().count, 1);
}
