//! Streams of writes.

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use node_api::proto::data::data_client::DataClient;
use node_api::proto::data::write_reply::Outcome;
use node_api::proto::data::{
    Change, Command, Delete, Put, WriteReply, WriteRequest, Written, command,
};
use node_api::{Consistency, WriteOptions, WriteStream};
use tokio::sync::mpsc;
use tokio::time::timeout;

use crate::cluster::Cluster;
use crate::deadline::LONG;

fn put(key: &str, value: impl Into<Bytes>) -> Command {
    let (key, value) = (Bytes::copy_from_slice(key.as_bytes()), value.into());
    let command = Some(command::Command::Put(Put { key, value }));
    Command { command }
}

fn delete(key: &str) -> Command {
    let key = Bytes::copy_from_slice(key.as_bytes());
    let command = Some(command::Command::Delete(Delete { key }));
    Command { command }
}

fn request(commands: Vec<Command>, request_id: &str) -> WriteRequest {
    let request_id = request_id.to_owned();
    WriteRequest {
        commands,
        request_id,
    }
}

/// Sends all at once; gives the replies to them.
async fn send(http: &str, requests: Vec<WriteRequest>) -> Vec<WriteReply> {
    let mut client = DataClient::connect(format!("http://{http}")).await.unwrap();
    let replies = client.write(futures::stream::iter(requests)).await.unwrap();
    let replies = replies.into_inner().map(|reply| reply.unwrap());
    timeout(LONG, replies.collect()).await.unwrap()
}

fn written(reply: &WriteReply) -> &Written {
    match reply.outcome.as_ref().unwrap() {
        Outcome::Written(written) => written,
        Outcome::Refusal(refusal) => panic!("refused: {refusal:?}"),
    }
}

fn refused(reply: &WriteReply) -> (u32, &str) {
    match reply.outcome.as_ref().unwrap() {
        Outcome::Written(written) => panic!("not refused: {written:?}"),
        Outcome::Refusal(refusal) => (refusal.status, &refusal.code),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn many_writes_are_under_way_on_one_stream_through_any_node() {
    const WRITES: usize = 5_000;
    let cluster = Cluster::form(3).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let writes = (0..WRITES).map(|write| {
            let commands = vec![put(&format!("{number}/{write:04}"), write.to_string())];
            request(commands, "")
        });
        let replies = send(&node.bound.http, writes.collect()).await;
        assert_eq!(replies.len(), WRITES);
        for (write, reply) in replies.iter().enumerate().step_by(617) {
            let [Change { revision, existed }] = written(reply).changes[..] else {
                panic!("not one change: {reply:?}");
            };
            assert!(!existed);
            let key = format!("{number}/{write:04}");
            let found = cluster.nodes[(number + 1) % 3]
                .data()
                .get(key.as_bytes(), &Consistency::Linearizable)
                .await
                .unwrap()
                .unwrap();
            assert_eq!(
                (found.value, found.revision),
                (write.to_string().into(), revision),
                "the reply at this place is of this write"
            );
        }
    }
    cluster.until_digests_agree(&[0, 1, 2]).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_request_on_a_stream_is_one_entry_and_a_refusal_ends_nothing() {
    let cluster = Cluster::form(1).await;
    let http = &cluster.nodes[0].bound.http;
    let unknown = Command { command: None };
    let large = Bytes::from(vec![0; (1 << 20) + 1]);
    let replies = send(
        http,
        vec![
            request(vec![put("a", "1"), put("b", "1"), delete("c")], "once"),
            request(vec![], ""),
            request(vec![put("a", "2"), put("", "2")], ""),
            request(vec![put("a", "2"), put(&"k".repeat(4097), "2")], ""),
            request(vec![put("a", "2"), put("b", large)], ""),
            request(vec![put("a", "2"), unknown], ""),
            request(vec![put("a", "2"); 129], ""),
            request(vec![put("a", "2")], "no blanks"),
        ],
    )
    .await;
    let first = written(&replies[0]);
    let existed: Vec<_> = first.changes.iter().map(|change| change.existed).collect();
    assert_eq!(existed, [false, false, false]);
    assert_eq!(
        replies[1..].iter().map(refused).collect::<Vec<_>>(),
        [
            (400, "bad_request"),
            (400, "key_empty"),
            (414, "key_too_large"),
            (413, "value_too_large"),
            (400, "bad_request"),
            (400, "bad_request"),
            (400, "bad_request"),
        ]
    );
    // Another stream repeats the first request, and then uses its name for another one.
    let again = send(
        http,
        vec![request(
            vec![put("a", "1"), put("b", "1"), delete("c")],
            "once",
        )],
    )
    .await;
    assert_eq!(written(&again[0]), first);
    let reused = send(http, vec![request(vec![put("a", "3")], "once")]).await;
    assert_eq!(refused(&reused[0]), (422, "request_id_reused"));
    let mut data = cluster.nodes[0].data();
    let found = data.get(b"a", &Consistency::Linearizable).await.unwrap();
    assert_eq!(found.unwrap().value, "1");
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_in_number_and_what_they_send() {
    const STREAMS_MAX: usize = 256;
    let cluster = Cluster::form(1).await;
    let url = format!("http://{}", cluster.nodes[0].bound.http);
    let open = (0..STREAMS_MAX).map(|_| WriteStream::open(&url, 1));
    let mut streams: Vec<_> = join_all(open)
        .await
        .into_iter()
        .collect::<Result<_, _>>()
        .unwrap();
    let more = WriteStream::open(&url, 1).await.err().unwrap();
    assert!(more.to_string().contains("256 streams"), "{more}");
    let options = WriteOptions::default();
    for stream in &mut streams {
        stream.put("k".into(), "v".into(), &options).await.unwrap();
    }
    for stream in &mut streams {
        timeout(LONG, stream.reply())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
    }
    streams.clear();
    // A request that is longer than any may be ends its stream, and harms nothing.
    let mut client = DataClient::connect(url.clone()).await.unwrap();
    let (requests, taken) = mpsc::channel(1);
    let taken = futures::stream::unfold(taken, |mut taken| async move {
        taken.recv().await.map(|request| (request, taken))
    });
    let mut replies = loop {
        match client.write(futures::stream::pending()).await {
            Ok(_) => break client.write(taken).await.unwrap().into_inner(),
            // The node has not yet seen all of the others end.
            Err(status) => assert_eq!(status.code(), tonic::Code::ResourceExhausted),
        }
    };
    let oversized = Bytes::from(vec![0; 3 << 20]);
    requests
        .send(request(vec![put("a", oversized)], ""))
        .await
        .unwrap();
    let refused = timeout(LONG, replies.message()).await.unwrap();
    assert_eq!(refused.unwrap_err().code(), tonic::Code::OutOfRange);
    let mut data = cluster.nodes[0].data();
    let found = data.get(b"k", &Consistency::Linearizable).await.unwrap();
    assert_eq!(found.unwrap().value, "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_answers_what_it_has_read_and_ends_the_stream() {
    let mut cluster = Cluster::form(1).await;
    let mut stream = WriteStream::open(&cluster.nodes[0].bound.http, 8)
        .await
        .unwrap();
    let options = WriteOptions::default();
    for _ in 0..8 {
        stream.put("k".into(), "v".into(), &options).await.unwrap();
    }
    timeout(LONG, stream.reply())
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    let (exit, took) = cluster.nodes[0].terminate();
    assert!(exit.success(), "{exit}");
    assert!(
        took.as_secs() < 4,
        "an idle stream held the node up: {took:?}"
    );
    while let Some(reply) = timeout(LONG, stream.reply()).await.unwrap() {
        reply.unwrap();
    }
}
