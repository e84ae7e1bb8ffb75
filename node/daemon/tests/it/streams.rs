//! Streams of writes.

use std::time::{Duration, Instant};

use bytes::Bytes;
use futures::StreamExt;
use futures::future::join_all;
use node_api::proto::data::data_client::DataClient;
use node_api::proto::data::write_reply::Outcome;
use node_api::proto::data::{
    Change, Command, Delete, Put, WriteReply, WriteRequest, Written, command,
};
use node_api::{Consistency, DataError, WriteOptions, WriteStream};
use tokio::io::AsyncWriteExt;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use tonic::{Code, Status, Streaming};

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

/// A stream whose requests are sent one by one.
async fn open(http: &str) -> Result<(mpsc::Sender<WriteRequest>, Streaming<WriteReply>), Status> {
    let mut client = DataClient::connect(format!("http://{http}")).await.unwrap();
    let (requests, taken) = mpsc::channel(1);
    let taken = futures::stream::unfold(taken, |mut taken| async move {
        taken.recv().await.map(|request| (request, taken))
    });
    let replies = client.write(taken).await?.into_inner();
    Ok((requests, replies))
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_are_bounded_in_number_and_requests_in_length() {
    const STREAMS_MAX: usize = 64;
    let cluster = Cluster::form(1).await;
    let http = &cluster.nodes[0].bound.http;
    let streams = join_all((0..STREAMS_MAX).map(|_| WriteStream::open(http, 1))).await;
    let mut streams: Vec<_> = streams.into_iter().collect::<Result<_, _>>().unwrap();
    let more = WriteStream::open(http, 1).await.err().unwrap();
    assert!(more.to_string().contains("64 streams"), "{more}");
    let options = WriteOptions::default();
    for stream in &mut streams {
        stream.put("k".into(), "v".into(), &options).await.unwrap();
    }
    for stream in &mut streams {
        stream.reply().await.unwrap();
    }
    streams.clear();
    // One that is too long ends its stream, and harms nothing; so does one that would unfold to a hundred times its length.
    let unknown = Command { command: None };
    for (nonsense, code) in [
        (vec![put("a", vec![0; 3 << 20])], Code::OutOfRange),
        (vec![unknown; 500_000], Code::InvalidArgument),
    ] {
        let began = Instant::now();
        let (requests, mut replies) = loop {
            match open(http).await {
                Ok(opened) => break opened,
                // The node has not yet seen all of the others end.
                Err(status) => assert_eq!(status.code(), Code::ResourceExhausted),
            }
            assert!(began.elapsed() < LONG, "no place becomes free");
            sleep(Duration::from_millis(10)).await;
        };
        requests.send(request(nonsense, "")).await.unwrap();
        let ended = timeout(LONG, replies.message()).await.unwrap();
        assert_eq!(ended.unwrap_err().code(), code);
    }
    let mut stream = WriteStream::open(http, 1).await.unwrap();
    let large = Bytes::from(vec![0; 3 << 20]);
    stream.put("a".into(), large, &options).await.unwrap();
    let lost = stream.reply().await.unwrap_err();
    assert!(matches!(lost, DataError::Unknown { .. }), "{lost}");
    assert!(stream.has_ended());
    let unsent = stream.put("a".into(), "v".into(), &options).await;
    assert!(matches!(unsent, Err(DataError::Unavailable { .. })));
    let mut data = cluster.nodes[0].data();
    let linearizable = &Consistency::Linearizable;
    let found = data.get(b"k", linearizable).await.unwrap().unwrap();
    assert_eq!(found.value, "v");
    assert_eq!(data.get(b"a", linearizable).await.unwrap(), None);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_cannot_go_on_reads_no_more_than_it_may_have_under_way() {
    let cluster = Cluster::form(3).await;
    let leader = cluster.leader().await;
    let others: Vec<_> = (0..3).filter(|node| *node != leader).collect();
    // What lies between both programs, and what they hold beside that, is a little; of the shortest requests it is many.
    for (value_bytes, under_way, taken_max) in [(8 << 10, 1024 / 9, 300), (0, 1024, 10_000)] {
        let (requests, mut replies) = open(&cluster.nodes[leader].bound.http).await.unwrap();
        for other in &others {
            cluster.nodes[*other].stand_still();
        }
        let mut taken = 0;
        while taken < taken_max {
            let write = request(vec![put(&taken.to_string(), vec![0; value_bytes])], "");
            match timeout(Duration::from_millis(200), requests.send(write)).await {
                Ok(sent) => sent.unwrap(),
                Err(_) => break,
            }
            taken += 1;
        }
        for other in &others {
            cluster.nodes[*other].go_on();
        }
        assert!(
            (under_way..taken_max).contains(&taken),
            "{taken} were taken"
        );
        drop(requests);
        let mut answered = 0;
        while timeout(LONG, replies.message())
            .await
            .unwrap()
            .unwrap()
            .is_some()
        {
            answered += 1;
        }
        assert_eq!(answered, taken);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_stops_answers_what_it_has_read_and_nothing_else_was_carried_out() {
    let mut cluster = Cluster::form(1).await;
    let http = cluster.nodes[0].bound.http.clone();
    // What only began must not hold the node up.
    let _idle = WriteStream::open(&http, 1).await.unwrap();
    let mut begun = TcpStream::connect(&http).await.unwrap();
    begun.write_all(b"PRI").await.unwrap();
    let (requests, mut replies) = open(&http).await.unwrap();
    let sending = tokio::spawn(async move {
        let mut sent = 0;
        while requests
            .send(request(vec![put(&format!("s/{sent:06}"), "v")], ""))
            .await
            .is_ok()
        {
            sent += 1;
        }
        sent
    });
    let counting = tokio::spawn(async move {
        let mut answered = 0;
        while let Some(reply) = replies.message().await.expect("the end is a clean one") {
            written(&reply);
            answered += 1;
        }
        answered
    });
    sleep(Duration::from_millis(300)).await;
    let (exit, took) = cluster.nodes[0].terminate();
    assert!(exit.success(), "{exit}");
    assert!(took < Duration::from_secs(3), "it was held up: {took:?}");
    let answered: usize = timeout(LONG, counting).await.unwrap().unwrap();
    let sent: usize = timeout(LONG, sending).await.unwrap().unwrap();
    assert!((1..=sent).contains(&answered), "{answered} of {sent}");
    cluster.nodes[0].start();
    cluster.until_ready(0).await;
    let mut data = cluster.nodes[0].data();
    let (mut found, mut from) = (0, None);
    loop {
        let page = data
            .list(b"s/", from.as_deref(), 1000, &Consistency::Linearizable)
            .await
            .unwrap();
        found += page.items.len();
        from = page.next;
        if from.is_none() {
            break;
        }
    }
    assert_eq!(found, answered);
}
