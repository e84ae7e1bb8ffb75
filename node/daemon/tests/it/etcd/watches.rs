//! Watches: never a gap, a repeat or a step back.

use std::time::Duration;

use futures::StreamExt;
use futures::stream::{BoxStream, iter, pending};
use node_api::etcd::etcdserverpb::watch_request::RequestUnion;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, WatchCancelRequest, WatchCreateRequest,
    WatchProgressRequest, WatchRequest, WatchResponse,
};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::{Clients, bytes, get, put};
use crate::cluster::Cluster;
use crate::deadline::LONG;

/// A stream of watches that is held open.
pub(super) struct Stream {
    requests: mpsc::Sender<WatchRequest>,
    responses: BoxStream<'static, WatchResponse>,
}

impl Stream {
    pub(super) async fn open(clients: &Clients) -> Stream {
        let (requests, receiver) = mpsc::channel(100);
        let sent = futures::stream::unfold(receiver, |mut receiver| async move {
            let request = receiver.recv().await?;
            Some((request, receiver))
        });
        let responses = clients
            .watch
            .clone()
            .watch(sent)
            .await
            .unwrap()
            .into_inner();
        // A stream that breaks just ends.
        let responses = responses.take_while(|response| std::future::ready(response.is_ok()));
        Stream {
            requests,
            responses: responses.map(Result::unwrap).boxed(),
        }
    }

    async fn send(&self, request: RequestUnion) {
        let request_union = Some(request);
        self.requests
            .send(WatchRequest { request_union })
            .await
            .unwrap();
    }

    pub(super) async fn create(&mut self, request: WatchCreateRequest) -> WatchResponse {
        self.send(RequestUnion::CreateRequest(request)).await;
        self.next().await
    }

    pub(super) async fn next(&mut self) -> WatchResponse {
        timeout(LONG, self.responses.next()).await.unwrap().unwrap()
    }
}

fn everything(from: i64) -> WatchCreateRequest {
    WatchCreateRequest {
        key: bytes("\0"),
        range_end: bytes("\0"),
        start_revision: from,
        ..WatchCreateRequest::default()
    }
}

/// Follows a node's changes from a revision on, into `seen`, and begins again after the last one where the stream breaks.
async fn follow(clients: Clients, from: i64, seen: mpsc::Sender<(i64, String)>) {
    let mut next = from;
    loop {
        let request = WatchRequest {
            request_union: Some(RequestUnion::CreateRequest(everything(next))),
        };
        let held = iter([request]).chain(pending());
        if let Ok(stream) = clients.watch.clone().watch(held).await {
            let mut responses = stream.into_inner();
            let mut shown = 0;
            while let Some(Ok(response)) = responses.next().await {
                let revision = response.header.unwrap().revision;
                assert!(revision >= shown, "the header went back");
                shown = revision;
                assert!(!response.canceled, "{response:?}");
                for event in response.events {
                    let kv = event.kv.unwrap();
                    assert!(kv.mod_revision >= next && kv.mod_revision <= revision);
                    next = kv.mod_revision + 1;
                    let value = String::from_utf8(kv.value.to_vec()).unwrap();
                    seen.send((kv.mod_revision, value)).await.unwrap();
                }
            }
        }
        sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_node_tells_of_every_write_once_and_in_order_whichever_are_killed() {
    let mut cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    clients[0].put(put("first", "0")).await.unwrap();
    let mut followers = Vec::new();
    // Two at each node, one of which begins in the middle.
    let mut seen = Vec::new();
    let mut begin = |clients: &Clients, from: i64| {
        let (sender, receiver) = mpsc::channel(10_000);
        followers.push(tokio::spawn(follow(clients.clone(), from, sender)));
        seen.push((from, receiver));
    };
    for clients in &clients {
        begin(clients, 2);
    }
    let mut written = vec![(2, "0".to_owned())];
    for number in 1..=600 {
        let value = number.to_string();
        let writer = &clients[number % 3];
        // What one was asked that is down may be done, or not.
        let written_now = writer.put(put(&format!("k{}", number % 7), &value)).await;
        if let Ok(answer) = written_now {
            written.push((answer.header.unwrap().revision, value));
        }
        match number {
            150 | 350 => {
                for clients in &clients {
                    begin(clients, 2);
                }
            }
            200 | 400 => {
                let victim = cluster.leader().await;
                cluster.nodes[victim].kill();
                cluster.nodes[victim].start();
            }
            _ => {}
        }
    }
    let last = written.last().unwrap().0;
    assert!(written.len() > 300, "{} writes", written.len());
    let mut logs = Vec::new();
    for (from, receiver) in &mut seen {
        let mut log = Vec::new();
        while log.last().is_none_or(|(revision, _)| *revision < last) {
            log.push(timeout(LONG, receiver.recv()).await.unwrap().unwrap());
        }
        let revisions: Vec<i64> = log.iter().map(|(revision, _)| *revision).collect();
        let expected: Vec<i64> = (*from..=last).collect();
        assert_eq!(revisions, expected, "each revision once and in order");
        logs.push(log);
    }
    assert!(
        logs.iter().all(|log| *log == logs[0]),
        "all are told the same"
    );
    for write in &written {
        assert!(logs[0].contains(write), "{write:?} was acknowledged");
    }
    for follower in followers {
        follower.abort();
    }
}

#[tokio::test]
async fn a_watcher_that_does_not_read_holds_up_nobody_and_misses_nothing() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    // A connection of its own: what lies unread there is bounded by its windows.
    let slow_clients = Clients::of(&cluster.nodes[0]);
    let mut slow = Stream::open(&slow_clients).await;
    let mut quick = Stream::open(&clients).await;
    assert!(slow.create(everything(0)).await.created);
    assert!(quick.create(everything(0)).await.created);
    let value = "v".repeat(100_000);
    let mut told = 0;
    for number in 0..400 {
        clients
            .put(put(&format!("k{number}"), &value))
            .await
            .unwrap();
        while told <= number {
            told += quick.next().await.events.len();
        }
    }
    let mut revisions = Vec::new();
    while revisions.len() < 400 {
        for event in slow.next().await.events {
            revisions.push(event.kv.unwrap().mod_revision);
        }
    }
    assert_eq!(revisions, (2..402).collect::<Vec<i64>>());
}

/// Each of ten thousand keys has a watch of its own, on ten streams, and every change reaches its watch and no other.
#[tokio::test(flavor = "multi_thread")]
async fn ten_thousand_watches_are_each_told_of_their_own() {
    const STREAMS: usize = 10;
    const EACH: usize = 1_000;
    let cluster = Cluster::form(1).await;
    let mut streams = Vec::new();
    for number in 0..STREAMS {
        let mut stream = Stream::open(&Clients::of(&cluster.nodes[0])).await;
        for key in 0..EACH {
            let request = WatchCreateRequest {
                key: bytes(&format!("k{number}/{key}")),
                ..WatchCreateRequest::default()
            };
            assert_eq!(stream.create(request).await.watch_id, key as i64);
        }
        streams.push(stream);
    }
    let clients = Clients::of(&cluster.nodes[0]);
    for key in (0..EACH).step_by(50) {
        for number in 0..STREAMS {
            clients
                .put(put(&format!("k{number}/{key}"), "v"))
                .await
                .unwrap();
        }
    }
    for (number, stream) in streams.iter_mut().enumerate() {
        for key in (0..EACH).step_by(50) {
            let response = stream.next().await;
            assert_eq!(response.watch_id, key as i64, "stream {number}");
            assert_eq!(response.events.len(), 1);
            let kv = response.events[0].kv.as_ref().unwrap();
            assert_eq!(kv.key, format!("k{number}/{key}"));
        }
    }
}

#[tokio::test]
async fn progress_is_told_after_every_event_and_never_before() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    let mut stream = Stream::open(&clients).await;
    stream.create(everything(0)).await;
    for round in 0..50 {
        let revision = clients
            .put(put("k", "v"))
            .await
            .unwrap()
            .header
            .unwrap()
            .revision;
        stream
            .send(RequestUnion::ProgressRequest(WatchProgressRequest {}))
            .await;
        let mut last = 0;
        loop {
            let response = stream.next().await;
            if response.watch_id == -1 {
                let progress = response.header.unwrap().revision;
                assert!(response.events.is_empty());
                assert_eq!(last, progress, "round {round}: an event was passed");
                assert_eq!(progress, revision);
                break;
            }
            for event in response.events {
                last = event.kv.unwrap().mod_revision;
            }
        }
    }
}

#[tokio::test]
async fn watches_have_etcds_answers() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    for value in ["1", "2", "3"] {
        clients.put(put("k", value)).await.unwrap();
    }
    let mut stream = Stream::open(&clients).await;
    let of_k = |from| WatchCreateRequest {
        key: bytes("k"),
        start_revision: from,
        ..WatchCreateRequest::default()
    };

    // From the past, with what was there before; the first puts of keys have nothing before them.
    let request = WatchCreateRequest {
        prev_kv: true,
        watch_id: 77,
        ..of_k(2)
    };
    let created = stream.create(request.clone()).await;
    assert_eq!((created.watch_id, created.created), (77, true));
    let mut events = Vec::new();
    while events.len() < 3 {
        events.extend(stream.next().await.events);
    }
    let before: Vec<_> = events
        .iter()
        .map(|event| event.prev_kv.as_ref().map(|kv| kv.value.clone()))
        .collect();
    assert_eq!(before, [None, Some(bytes("1")), Some(bytes("2"))]);

    // The same id again, nothing to watch, before the beginning.
    let taken = stream.create(request).await;
    assert_eq!(
        (taken.watch_id, taken.created, taken.canceled),
        (-1, true, true)
    );
    assert_eq!(
        taken.cancel_reason,
        "mvcc: duplicate watch ID provided on the WatchStream"
    );
    let empty = stream
        .create(WatchCreateRequest {
            range_end: bytes("a"),
            ..of_k(0)
        })
        .await;
    assert_eq!(empty.cancel_reason, "mvcc: watcher range is empty");
    let negative = stream.create(of_k(-1)).await;
    assert_eq!(
        negative.cancel_reason,
        "etcdserver: mvcc: required revision has been compacted"
    );

    // A delete is told to who wants deletes alone.
    let deletes = WatchCreateRequest {
        filters: vec![0],
        ..of_k(0)
    };
    let created = stream.create(deletes).await;
    assert_eq!(created.watch_id, 0);
    stream
        .send(RequestUnion::CancelRequest(WatchCancelRequest {
            watch_id: 77,
        }))
        .await;
    let canceled = stream.next().await;
    assert_eq!((canceled.watch_id, canceled.canceled), (77, true));
    clients.put(put("k", "4")).await.unwrap();
    let delete = DeleteRangeRequest {
        key: bytes("k"),
        ..DeleteRangeRequest::default()
    };
    clients.kv.clone().delete_range(delete).await.unwrap();
    let response = stream.next().await;
    assert_eq!(response.watch_id, 0);
    assert_eq!(response.events.len(), 1);
    assert_eq!(response.events[0].kv.as_ref().unwrap().mod_revision, 6);

    // From a revision whose history is given up; at the very one it begins with, the delete is still told.
    let compaction = CompactionRequest {
        revision: 6,
        physical: false,
    };
    clients.kv.clone().compact(compaction).await.unwrap();
    assert!(stream.create(of_k(5)).await.created);
    let compacted = stream.next().await;
    assert_eq!((compacted.canceled, compacted.compact_revision), (true, 6));
    assert!(stream.create(of_k(6)).await.created);
    let told = stream.next().await;
    assert_eq!(told.events[0].kv.as_ref().unwrap().mod_revision, 6);

    // From the future: nothing before it.
    let later = stream.create(of_k(9)).await;
    for value in ["7", "8", "9"] {
        clients.put(put("k", value)).await.unwrap();
    }
    loop {
        let response = stream.next().await;
        if response.watch_id == later.watch_id {
            assert_eq!(response.events[0].kv.as_ref().unwrap().value, "9");
            break;
        }
    }
    assert_eq!(clients.range(get("k")).await.unwrap().count, 1);
}
