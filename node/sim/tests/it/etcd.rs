//! What went wrong in etcd once (its `tests/robustness/README.md`), done to our nodes. Each test names the issue.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::stream::{StreamExt, unfold};
use node_api::etcd::etcdserverpb::kv_server::Kv;
use node_api::etcd::etcdserverpb::request_op::Request;
use node_api::etcd::etcdserverpb::watch_request::RequestUnion;
use node_api::etcd::etcdserverpb::{
    CompactionRequest, DeleteRangeRequest, PutRequest, RangeRequest, RequestOp, TxnRequest,
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use node_api::etcd::mvccpb::event::EventType;
use node_engines::{Command, kv};
use node_server::Caller;
use node_server::Node;
use node_server::etcd::Etcd;
use node_sim::World;
use tokio::sync::mpsc;
use tonic::{Request as Call, Status};

/// Clusters of even seeds begin at the level that has a history.
const SEED: u64 = 700;
const SOON: Duration = Duration::from_secs(20);
/// More than the revisions whose replaced values are kept for who answers writes.
const MANY: u64 = 9_000;

/// Asks the node of machine `n`, and waits for the answer.
fn ask<T, F>(world: &mut World, n: usize, call: impl FnOnce(Etcd) -> F) -> T
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let answer = Arc::new(Mutex::new(None));
    let (told, future) = (
        answer.clone(),
        call(Etcd::new(world.node(n).unwrap(), "http", 0)),
    );
    world.spawn(n, async move {
        let told_now = future.await;
        *told.lock().unwrap() = Some(told_now);
    });
    world.until(SOON, "it is answered", |_| answer.lock().unwrap().is_some());
    answer.lock().unwrap().take().unwrap()
}

/// Puts a key; gives the revision.
fn put(world: &mut World, n: usize, key: &'static str, value: impl Into<String>) -> i64 {
    let request = put_of(key, value.into());
    let answer = ask(world, n, |etcd| async move {
        etcd.put(Call::new(request)).await
    });
    answer.unwrap().into_inner().header.unwrap().revision
}

fn put_of(key: &'static str, value: String) -> PutRequest {
    PutRequest {
        key: key.into(),
        value: value.into(),
        ..PutRequest::default()
    }
}

fn delete(world: &mut World, n: usize, key: &'static str) -> i64 {
    let request = DeleteRangeRequest {
        key: key.into(),
        ..DeleteRangeRequest::default()
    };
    let answer = ask(world, n, |etcd| async move {
        etcd.delete_range(Call::new(request)).await
    });
    answer.unwrap().into_inner().header.unwrap().revision
}

fn compact(world: &mut World, n: usize, revision: i64) {
    let request = CompactionRequest {
        revision,
        physical: false,
    };
    let answer = ask(world, n, |etcd| async move {
        etcd.compact(Call::new(request)).await
    });
    answer.unwrap();
}

/// Writes many revisions in few entries.
fn put_many(world: &mut World, n: usize, count: u64) {
    let node = world.node(n).unwrap();
    let written = ask(world, n, |_| async move {
        for batch in 0..count.div_ceil(128) {
            let put = |number: u64| {
                Command::Kv(kv::Command::Put {
                    key: format!("many/{}", number % 3).into(),
                    value: format!("{batch}").into(),
                })
            };
            node.write(None, (0..128).map(put).collect()).await?;
        }
        Ok::<_, node_server::Failure>(())
    });
    written.unwrap();
}

/// A stream with one watch, of all keys.
struct Watch {
    responses: Arc<Mutex<Vec<WatchResponse>>>,
    requests: mpsc::Sender<WatchRequest>,
}

impl Watch {
    /// Watches on machine `n` from a revision on, and rests after each response.
    fn begin(world: &World, n: usize, start_revision: i64, rests: Duration) -> Watch {
        let (requests, asked) = mpsc::channel(64);
        let watch = Watch {
            responses: Arc::default(),
            requests,
        };
        watch.ask(RequestUnion::CreateRequest(WatchCreateRequest {
            key: vec![0].into(),
            range_end: vec![0].into(),
            start_revision,
            prev_kv: true,
            ..WatchCreateRequest::default()
        }));
        let (heard, node) = (watch.responses.clone(), world.node(n).unwrap());
        world.spawn(n, listen(node, heard, asked, rests));
        watch
    }

    fn ask(&self, union: RequestUnion) {
        let request = WatchRequest {
            request_union: Some(union),
        };
        self.requests.try_send(request).unwrap();
    }

    fn ask_for_progress(&self) {
        self.ask(RequestUnion::ProgressRequest(WatchProgressRequest {}));
    }

    fn heard(&self) -> Vec<WatchResponse> {
        self.responses.lock().unwrap().clone()
    }

    /// Revisions, keys and kinds, in the order in which they came.
    fn events(&self) -> Vec<(i64, String, EventType)> {
        let event = |event: node_api::etcd::mvccpb::Event| {
            let (kind, kv) = (event.r#type(), event.kv.unwrap());
            let key = String::from_utf8(kv.key.to_vec()).unwrap();
            (kv.mod_revision, key, kind)
        };
        let events = self
            .heard()
            .into_iter()
            .flat_map(|response| response.events);
        events.map(event).collect()
    }

    fn revisions(&self) -> Vec<i64> {
        self.events()
            .into_iter()
            .map(|(revision, ..)| revision)
            .collect()
    }

    /// Headers never go back, and no event comes after progress beyond it.
    fn assert_in_step(&self) {
        let (mut shown, mut progress) = (0, 0);
        for response in self.heard() {
            let revision = response.header.unwrap().revision;
            assert!(revision >= shown, "{revision} after {shown}");
            shown = revision;
            for event in &response.events {
                let at = event.kv.as_ref().unwrap().mod_revision;
                assert!(at > progress, "an event of {at} after progress {progress}");
            }
            if response.events.is_empty() && !response.created {
                progress = revision;
            }
        }
    }
}

async fn listen(
    node: Node,
    heard: Arc<Mutex<Vec<WatchResponse>>>,
    asked: mpsc::Receiver<WatchRequest>,
    rests: Duration,
) {
    let requests = unfold(asked, |mut asked| async move {
        let request = asked.recv().await?;
        Some((Ok::<_, Status>(request), asked))
    });
    let responses = Etcd::new(node, "http", 0).watches(Caller::Nobody, requests.boxed(), false);
    let mut responses = responses.unwrap();
    while let Some(Ok(response)) = responses.next().await {
        heard.lock().unwrap().push(response);
        tokio::time::sleep(rests).await;
    }
}

fn restart_all(world: &mut World) {
    (0..world.size()).for_each(|n| world.crash_hard(n));
    (0..world.size()).for_each(|n| world.start(n));
    world.until(SOON, "all are ready again", |world| {
        (0..world.size()).all(|n| world.status(n).is_some_and(|s| s.ready.is_ok()))
            && world.leader().is_some()
    });
}

/// etcd #17780: after a crash in a compaction that ended with a deletion the revision was lower than before.
#[test]
fn a_crash_in_a_compaction_takes_no_revision_back() {
    for after in [0, 1, 3, 10, 60] {
        let mut world = World::formed(SEED, 3);
        let leader = world.leader().unwrap();
        put_many(&mut world, leader, MANY);
        put(&mut world, leader, "a", "1");
        let last = delete(&mut world, leader, "a");
        compact(&mut world, leader, last);
        world.live(Duration::from_millis(after));
        restart_all(&mut world);
        for n in 0..3 {
            let reader = world.node(n).unwrap().reader().clone();
            assert_eq!(reader.revision().0 as i64, last, "n{n} after {after} ms");
        }
        let leader = world.leader().unwrap();
        assert_eq!(put(&mut world, leader, "a", "2"), last + 1);
        world.until(SOON, "what was given up is removed", |world| {
            (0..3).all(|n| {
                let history = world.node(n).unwrap().reader().history();
                history.sweepable == 0
            })
        });
    }
}

/// etcd #14370: a single node lost what it had acknowledged.
#[test]
fn a_single_node_keeps_what_it_acknowledged() {
    let mut world = World::formed(SEED, 1);
    for number in 0..8 {
        let revision = put(&mut world, 0, "a", number.to_string());
        restart_all(&mut world);
        let range = RangeRequest {
            key: "a".into(),
            ..RangeRequest::default()
        };
        let read = ask(&mut world, 0, |etcd| async move {
            etcd.range(Call::new(range)).await
        });
        let found = read.unwrap().into_inner().kvs.pop().unwrap();
        assert_eq!(found.mod_revision, revision);
        assert_eq!(found.value, number.to_string().as_bytes());
    }
}

/// etcd #15220: progress was told of that was ahead of the events of the same stream.
#[test]
fn progress_stays_in_step_with_the_stream() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    let follower = (leader + 1) % 3;
    world.slow_network(follower, Duration::from_millis(40));
    let watches = [leader, follower].map(|n| Watch::begin(&world, n, 1, Duration::from_millis(25)));
    let mut last = 0;
    for number in 0..40 {
        last = put(&mut world, leader, "a", number.to_string());
        watches.iter().for_each(Watch::ask_for_progress);
    }
    world.until(SOON, "all is told", |_| {
        watches.iter().all(|watch| watch.revisions().len() == 40)
    });
    watches.iter().for_each(Watch::ask_for_progress);
    world.until(SOON, "so is how far that goes", |_| {
        let mut told = watches.iter().map(|watch| watch.heard().pop().unwrap());
        let of_last = |told: WatchResponse| told.header.unwrap().revision == last;
        told.all(|told| told.events.is_empty() && of_last(told))
    });
    for watch in watches {
        watch.assert_in_step();
        assert_eq!(watch.revisions(), Vec::from_iter(last - 39..=last));
    }
}

/// etcd #15271: after a partition a watch went back in time.
#[test]
fn a_watch_does_not_go_back_when_a_partition_ends() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    let cut = (leader + 1) % 3;
    let first = put(&mut world, leader, "a", "0");
    let watch = Watch::begin(&world, cut, first, Duration::ZERO);
    world.isolate(cut);
    for number in 1..20 {
        put(&mut world, leader, "a", number.to_string());
    }
    watch.ask_for_progress();
    world.live(Duration::from_secs(3));
    world.heal(cut);
    world.until(SOON, "it is told of everything", |_| {
        watch.revisions().len() == 20
    });
    watch.assert_in_step();
    assert_eq!(watch.revisions(), Vec::from_iter(first..first + 20));
}

/// etcd #18089 and #19179: a deletion at the compacted revision was not told of, to who watched already and to who began there.
#[test]
fn a_deletion_at_the_compacted_revision_is_told_of() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    put_many(&mut world, leader, MANY);
    let made = put(&mut world, leader, "a", "1");
    // It hears of nothing until everything is done.
    let slow = Watch::begin(&world, leader, made, Duration::from_secs(2));
    let deleted = delete(&mut world, leader, "a");
    put_many(&mut world, leader, MANY);
    compact(&mut world, leader, deleted);
    world.until(SOON, "what was given up is removed", |world| {
        world.node(leader).unwrap().reader().history().sweepable == 0
    });
    for n in 0..3 {
        let watch = Watch::begin(&world, n, deleted, Duration::ZERO);
        world.until(SOON, "it is told", |_| !watch.events().is_empty());
        let first = watch.events().remove(0);
        assert_eq!(first, (deleted, "a".to_owned(), EventType::Delete), "n{n}");
    }
    // It was told of both before, or hears that it came too late.
    world.until(SOON, "the slow one knows", |_| {
        let compacted = |response: &WatchResponse| response.canceled;
        slow.events().len() > 1 || slow.heard().iter().any(compacted)
    });
    let told = slow.events();
    if let Some(first) = told.first() {
        assert_eq!(*first, (made, "a".to_owned(), EventType::Put));
        assert_eq!(told[1], (deleted, "a".to_owned(), EventType::Delete));
    }
}

/// etcd #20221, two bugs: a watch of the future was told of progress, and of what came before it.
#[test]
fn a_watch_of_the_future_hears_of_nothing_before() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    let now = put(&mut world, leader, "a", "0");
    let watch = Watch::begin(&world, (leader + 1) % 3, now + 5, Duration::ZERO);
    for number in 1..4 {
        put(&mut world, leader, "a", number.to_string());
        watch.ask_for_progress();
        world.live(Duration::from_millis(200));
    }
    let heard = watch.heard();
    assert!(heard.len() == 1 && heard[0].created, "{heard:?}");
    for number in 4..8 {
        put(&mut world, leader, "a", number.to_string());
    }
    world.until(SOON, "it is told", |_| watch.revisions().len() == 3);
    assert_eq!(watch.revisions(), [now + 5, now + 6, now + 7]);
}

/// etcd #17529: a stream that was starved lost events.
#[test]
fn a_starved_stream_loses_nothing() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    let watch = Watch::begin(&world, leader, 1, Duration::from_millis(700));
    let mut written = Vec::new();
    for _ in 0..60 {
        // More than what is told in one turn.
        written.push(put(&mut world, leader, "a", "x".repeat(100 << 10)));
    }
    world.until(Duration::from_secs(60), "it is told of everything", |_| {
        watch.revisions().len() >= written.len()
    });
    assert_eq!(watch.revisions(), written);
    watch.assert_in_step();
}

/// etcd #18667: a read of a compacted revision within a transaction had another outcome on each member.
#[test]
fn a_transaction_that_reads_what_is_compacted_is_alike_everywhere() {
    let mut world = World::formed(SEED, 3);
    let leader = world.leader().unwrap();
    let old = put(&mut world, leader, "a", "1");
    let new = put(&mut world, leader, "a", "2");
    compact(&mut world, leader, new);
    for (revision, accepted) in [(old, false), (new, true)] {
        let read = RangeRequest {
            key: "a".into(),
            revision,
            ..RangeRequest::default()
        };
        let steps = [
            Request::RequestPut(put_of("b", revision.to_string())),
            Request::RequestRange(read),
        ];
        let step = |request| RequestOp {
            request: Some(request),
        };
        let txn = TxnRequest {
            success: steps.map(step).to_vec(),
            ..TxnRequest::default()
        };
        let answer = ask(&mut world, leader, |etcd| async move {
            etcd.txn(Call::new(txn)).await
        });
        assert_eq!(answer.is_ok(), accepted, "{answer:?}");
    }
    restart_all(&mut world);
    world.until(SOON, "all are alike", |world| {
        let ends = (0..3).map(|n| world.status(n).unwrap());
        let ends: Vec<_> = ends.map(|s| (s.log.applied, s.digest)).collect();
        ends.iter().all(|end| *end == ends[0])
    });
    for n in 0..3 {
        let found = world.node(n).unwrap().reader().get(b"b").unwrap().unwrap();
        assert_eq!(found.value, new.to_string().as_bytes(), "n{n}");
    }
}

/// etcd #20418: after a pause of its process a leader that was replaced showed what was old.
#[test]
fn a_leader_that_was_asleep_shows_nothing_old() {
    for millis in [400, 1200, 3000, 5500] {
        let mut world = World::formed(SEED, 3);
        let old = world.leader().unwrap();
        put(&mut world, old, "a", "0");
        world.stand_still(old, Duration::from_millis(millis));
        let others = |world: &World| {
            world
                .leader()
                .filter(|n| *n != old && !world.stands_still(*n))
        };
        let mut last = 0;
        while world.stands_still(old) {
            match others(&world) {
                Some(new) => last = put(&mut world, new, "a", "1").max(last),
                None => world.live(Duration::from_millis(5)),
            }
        }
        let range = RangeRequest {
            key: "a".into(),
            ..RangeRequest::default()
        };
        let read = ask(&mut world, old, |etcd| async move {
            etcd.range(Call::new(range)).await
        });
        if let Ok(read) = read {
            let revision = read.into_inner().header.unwrap().revision;
            assert!(revision >= last, "{revision} after {last} and {millis} ms");
        }
    }
}
