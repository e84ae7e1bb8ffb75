//! Requests that are wrong, and what everybody may ask.

use std::future::poll_fn;
use std::time::Duration;

use bytes::Bytes;
use node_api::{Consistency, DataError, ErrorCode};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tonic::codegen::Service;
use tonic::codegen::http::Request;
use tonic::transport::Channel;

use crate::cluster::Cluster;
use crate::deadline::{LONG, check, eventually};

/// Sends bytes as they are; gives all that comes back until the node closes the connection.
async fn raw(address: &str, bytes: &[u8]) -> String {
    let mut stream = TcpStream::connect(address).await.unwrap();
    // The node may close before it has read everything.
    stream.write_all(bytes).await.ok();
    let mut answer = Vec::new();
    timeout(LONG, stream.read_to_end(&mut answer))
        .await
        .expect("an answer and an end")
        .ok();
    String::from_utf8_lossy(&answer).into_owned()
}

pub async fn ask(address: &str, method: &str, target: &str) -> String {
    ask_with(address, method, target, "", "").await
}

/// Asks with more headers, each with its line break, and a body.
pub async fn ask_with(
    address: &str,
    method: &str,
    target: &str,
    headers: &str,
    body: &str,
) -> String {
    let length = body.len();
    let request = format!(
        "{method} {target} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n{headers}\r\n{body}"
    );
    raw(address, request.as_bytes()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_are_told_apart_by_their_first_bytes_and_nonsense_ends_them() {
    let cluster = Cluster::form(1).await;
    let http = &cluster.nodes[0].bound.http;
    for nonsense in [
        &b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nno frame at all"[..],
        b"PRI * HTTP/1.1\r\nhost: x\r\n\r\nhello there",
        b"PRI",
    ] {
        let mut stream = TcpStream::connect(http).await.unwrap();
        stream.write_all(nonsense).await.unwrap();
        stream.shutdown().await.unwrap();
        let mut answer = Vec::new();
        let ended = timeout(LONG, stream.read_to_end(&mut answer)).await;
        ended.expect("an end").ok();
        assert!(!answer.starts_with(b"HTTP/1.1 2"), "{answer:?}");
    }
    // One that comes letter by letter is understood.
    let mut stream = TcpStream::connect(http).await.unwrap();
    stream.set_nodelay(true).unwrap();
    for part in ["P", "U", "T /db/k HTTP/1.1\r\nhost: x\r\n"] {
        stream.write_all(part.as_bytes()).await.unwrap();
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    let rest = b"content-length: 1\r\nconnection: close\r\n\r\nv";
    stream.write_all(rest).await.unwrap();
    let mut answer = String::new();
    let ended = timeout(LONG, stream.read_to_string(&mut answer)).await;
    ended.expect("an end").unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
}

/// What is no gRPC is served over HTTP/2 as over HTTP/1.1, and never answered as if it had been done.
#[tokio::test(flavor = "multi_thread")]
async fn keys_are_served_over_http2_too() {
    let cluster = Cluster::form(1).await;
    let http = format!("http://{}", cluster.nodes[0].bound.http);
    let mut channel = Channel::from_shared(http).unwrap().connect().await.unwrap();
    let mut ask = async |method: &str, path: &str, body: &'static str| {
        let request = Request::builder().method(method).uri(path);
        let body = tonic::body::Body::new(body.to_owned());
        poll_fn(|context| channel.poll_ready(context))
            .await
            .unwrap();
        let answer = channel.call(request.body(body).unwrap()).await.unwrap();
        answer.status().as_u16()
    };
    assert_eq!(ask("GET", "/db/k", "").await, 404);
    assert_eq!(ask("PUT", "/db/k", "value").await, 201);
    assert_eq!(ask("GET", "/db/k", "").await, 200);
    assert_eq!(ask("GET", "/nothing", "").await, 404);
    assert_eq!(ask("PATCH", "/db/k", "").await, 405);
    let mut data = cluster.nodes[0].data();
    let found = data.get(b"k", &Consistency::Linearizable).await.unwrap();
    assert_eq!(found.unwrap().value, "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn oversized_and_malformed_requests_are_refused_clearly() {
    let cluster = Cluster::form(1).await;
    let http = &cluster.nodes[0].bound.http;
    let mut data = cluster.nodes[0].data();
    let refused = |outcome: Result<_, DataError>, status: u16, code: ErrorCode| match outcome {
        Err(DataError::Rejected {
            status: found,
            body,
        }) => {
            assert_eq!((found, body.code), (status, code), "{}", body.message);
        }
        other => panic!("not refused: {other:?}"),
    };
    let long_key = vec![b'k'; 4097];
    refused(
        data.put(&long_key, "v".into(), &Default::default()).await,
        414,
        ErrorCode::KeyTooLarge,
    );
    refused(
        data.put(b"", "v".into(), &Default::default()).await,
        400,
        ErrorCode::KeyEmpty,
    );
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    // The node reads on for a while, so that a client that is still sending hears the answer.
    for _ in 0..8 {
        refused(
            data.put(b"k", large.clone(), &Default::default()).await,
            413,
            ErrorCode::ValueTooLarge,
        );
    }
    // One that waits to be told to go on is told at once not to.
    let head = "PUT /db/k HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\n\
                content-length: 1048577\r\nconnection: close\r\n\r\n";
    let answer = raw(http, head.as_bytes()).await;
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    assert!(answer.contains("value_too_large"), "{answer}");

    let mut chunked =
        b"PUT /db/k HTTP/1.1\r\nhost: x\r\ntransfer-encoding: chunked\r\nconnection: close\r\n\r\n"
            .to_vec();
    for _ in 0..24 {
        chunked.extend_from_slice(b"10000\r\n");
        chunked.extend_from_slice(&[b'x'; 0x10000]);
        chunked.extend_from_slice(b"\r\n");
    }
    chunked.extend_from_slice(b"0\r\n\r\n");
    for _ in 0..8 {
        let answer = raw(http, &chunked).await;
        assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    }

    for (method, target, status, named) in [
        ("PATCH", "/db/k", "405", "allow: GET, PUT, POST, DELETE"),
        ("PUT", "/db", "405", "allow: GET"),
        ("GET", "/db/k?colour=blue", "400", "colour"),
        ("GET", "/db/%zz", "400", "'%' at byte 0"),
        ("GET", "/elsewhere", "404", "not_found"),
        ("GET", "/db/missing", "404", "key_not_found"),
        (
            "GET",
            "/db/k?consistency=session&position=1.0.1",
            "400",
            "a log that this cluster does not have",
        ),
        (
            "GET",
            "/db?prefix=k&consistency=session&position=1.0.1",
            "400",
            "a log that this cluster does not have",
        ),
        (
            "GET",
            "/db/k?consistency=session&position=0.9.1",
            "503",
            "incarnation",
        ),
        (
            "GET",
            "/db/k?consistency=session&position=one",
            "400",
            "position",
        ),
    ] {
        let answer = ask(http, method, target).await;
        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status}")),
            "{method} {target}: {answer}"
        );
        assert!(answer.contains(named), "{method} {target}: {answer}");
    }
    for nonsense in [
        "\r\n\r\n\x00\x01",
        "GET\r\n\r\n",
        "PUT /db/k HTTP/1.1\r\ncontent-length: x\r\n\r\n",
    ] {
        let answer = raw(http, nonsense.as_bytes()).await;
        assert!(
            answer.is_empty() || answer.starts_with("HTTP/1.1 400"),
            "{nonsense:?}: {answer}"
        );
    }
    assert!(
        ask(http, "GET", "/cluster")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let found = data.get(b"k", &Default::default()).await.unwrap();
    assert_eq!(found, None);
}

#[tokio::test(flavor = "multi_thread")]
async fn the_cluster_the_probes_and_the_metrics_describe_the_node() {
    let cluster = Cluster::form(3).await;
    let described = cluster.nodes[1].data().cluster().await.unwrap();
    assert_eq!(described["open"], true);
    let members = described["members"].as_array().unwrap();
    assert_eq!(members.len(), 3);
    assert_eq!(
        members
            .iter()
            .filter(|member| member["role"] == "leader")
            .count(),
        1
    );
    assert_eq!(described["node"]["ready"], true);

    let put = cluster.nodes[1]
        .data()
        .put(b"k", "v".into(), &Default::default())
        .await
        .unwrap();
    let index: u64 = put.position.rsplit_once('.').unwrap().1.parse().unwrap();
    eventually("the positions of everyone", async || {
        for node in 0..3 {
            let found = cluster.nodes[node].data().cluster().await;
            let found = found.map_err(|error| error.to_string())?;
            let told = &found["node"];
            let position = told["position"].as_str().unwrap_or_default();
            let at = position
                .rsplit_once('.')
                .and_then(|(_, at)| at.parse::<u64>().ok());
            let reach = |value: &serde_json::Value| value.as_u64().is_some_and(|at| at >= index);
            let there = at == told["applied"].as_u64()
                && reach(&told["applied"])
                && reach(&told["committed"]);
            check(there, || found.to_string())?;
            // What the others have on disk, the leader alone knows.
            let members = found["members"].as_array().unwrap();
            let matched = members.iter().filter(|member| reach(&member["matched"]));
            let expected = if told["role"] == "leader" { 3 } else { 1 };
            check(matched.count() == expected, || found.to_string())?;
        }
        Ok(())
    })
    .await;
    let metrics = &cluster.nodes[1].bound.metrics;
    for probe in ["/livez", "/readyz"] {
        assert!(
            ask(metrics, "GET", probe).await.starts_with("HTTP/1.1 200"),
            "{probe}"
        );
    }
    let text = ask(metrics, "GET", "/metrics").await;
    for line in [
        "kluster_voters 3",
        "kluster_ready 1",
        "kluster_http_requests_total{code=\"201\"} 1",
    ] {
        assert!(text.contains(line), "{line} is not in\n{text}");
    }
    assert!(
        ask(metrics, "POST", "/livez")
            .await
            .starts_with("HTTP/1.1 405")
    );
    assert!(ask(metrics, "GET", "/").await.starts_with("HTTP/1.1 404"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_without_a_cluster_waits_and_says_so() {
    let cluster = Cluster::start(1);
    let node = &cluster.nodes[0];
    let answer = ask(&node.bound.metrics, "GET", "/readyz").await;
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("no cluster"),
        "{answer}"
    );
    assert!(
        ask(&node.bound.metrics, "GET", "/livez")
            .await
            .starts_with("HTTP/1.1 200")
    );
    let answer = timeout(
        Duration::from_secs(30),
        ask(&node.bound.http, "GET", "/db/k"),
    )
    .await
    .unwrap();
    assert!(
        answer.starts_with("HTTP/1.1 503") && answer.contains("retry-after: 1"),
        "{answer}"
    );
    let written = node.data().put(b"k", "v".into(), &Default::default()).await;
    assert!(
        matches!(written, Err(DataError::Unavailable { .. })),
        "{written:?}"
    );
}
