//! Calls over real sockets: answered, failed there, never sent, or lost, and never one taken for another.

use std::time::Duration;

use futures::FutureExt;
use node_host::Host;

use super::*;
use crate::config::ClusterKey;
use crate::identity::Identity;
use crate::ids::ClusterId;
use crate::peers::dialer::Dialer;
use crate::peers::lane::{CallError, Lane};
use crate::peers::lane_kind::LaneKind;
use crate::peers::pool::Pool;

struct Peer {
    gate: Arc<Gate>,
    address: String,
    stop: watch::Sender<bool>,
    task: tokio::task::JoinHandle<()>,
    _dir: tempfile::TempDir,
}

async fn peer(address: &str, handler: Handler) -> Peer {
    let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
    let key = ClusterKey::new(vec![3; 32]).unwrap();
    let mut identity = Identity::draw(&host);
    identity.cluster = Some(ClusterId([1; 16]));
    let gate = Gate::new(host.clone(), dir.path().to_owned(), key, identity, || None);
    let gate = Arc::new(gate);
    let listener = host.network.listen(address).await.unwrap();
    let (address, stop) = (listener.local_addr(), watch::Sender::new(false));
    let task = tokio::spawn(serve(listener, gate.clone(), handler, stop.subscribe()));
    Peer {
        gate,
        address,
        stop,
        task,
        _dir: dir,
    }
}

impl Peer {
    fn pool(&self) -> Pool {
        let dialer = Dialer {
            host: Host::real(),
            gate: self.gate.clone(),
        };
        Pool::new(Arc::new(dialer), Duration::from_millis(600))
    }

    fn lane(&self, to: &Peer, kind: LaneKind) -> Lane {
        self.pool()
            .lane(to.gate.identity().member, &to.address, kind)
    }

    async fn stop(self) -> String {
        self.stop.send_replace(true);
        self.task.await.unwrap();
        self.address
    }
}

/// Gives a body back, but for "fail" and for "wait".
fn echo() -> Handler {
    Arc::new(|_, _, body| match &body[..] {
        b"fail" => futures::future::ready(Err("as asked".to_owned())).boxed(),
        b"wait" => futures::future::pending().boxed(),
        _ => futures::future::ready(Ok(body)).boxed(),
    })
}

const ANY: &str = "127.0.0.1:0";

#[tokio::test]
async fn calls_are_answered_each_with_its_own() {
    let (one, other) = (peer(ANY, echo()).await, peer(ANY, echo()).await);
    let lane = one.lane(&other, LaneKind::Forward);
    let waiting = lane.call(Kind::Propose, Bytes::from_static(b"wait"));
    let calls = (0..500_u32).map(|n| lane.call(Kind::Propose, n.to_be_bytes().to_vec().into()));
    for (number, answer) in futures::future::join_all(calls)
        .await
        .into_iter()
        .enumerate()
    {
        assert_eq!(answer.unwrap()[..], (number as u32).to_be_bytes());
    }
    let failed = lane.call(Kind::Propose, Bytes::from_static(b"fail")).await;
    assert!(matches!(failed, Err(CallError::Failed(why)) if why == "as asked"));
    let astray = lane.call(Kind::Vote, Bytes::new()).await;
    assert!(
        matches!(astray, Err(CallError::Failed(_))),
        "a stream carries its own calls only"
    );
    // One that takes long stands in nobody's way, and pings keep its stream.
    let waited = tokio::time::timeout(Duration::from_millis(1500), waiting).await;
    assert!(waited.is_err(), "{waited:?}");
}

#[tokio::test]
async fn a_call_that_never_left_is_unsent_and_one_without_an_answer_is_lost() {
    let (one, other) = (peer(ANY, echo()).await, peer(ANY, echo()).await);
    let lane = one.lane(&other, LaneKind::Forward);
    lane.call(Kind::Propose, Bytes::from_static(b"one"))
        .await
        .unwrap();
    let waiting = lane.call(Kind::Propose, Bytes::from_static(b"wait"));
    lane.call(Kind::Propose, Bytes::from_static(b"two"))
        .await
        .unwrap();
    let address = other.stop().await;
    assert!(matches!(waiting.await, Err(CallError::Lost(_))));
    let unsent = lane.call(Kind::Propose, Bytes::from_static(b"three")).await;
    assert!(matches!(unsent, Err(CallError::Unsent(_))), "{unsent:?}");
    let huge = lane
        .call(Kind::Propose, vec![0; FRAME_BYTES_MAX].into())
        .await;
    assert!(matches!(huge, Err(CallError::Unsent(_))));
    // Another member at the address is not spoken to.
    let _stranger = peer(&address, echo()).await;
    tokio::time::timeout(Duration::from_secs(20), async {
        while one.gate.counts().0 == 0 {
            let astray = lane.call(Kind::Propose, Bytes::from_static(b"four")).await;
            assert!(matches!(astray, Err(CallError::Unsent(_))), "{astray:?}");
        }
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn a_stream_that_falls_silent_is_given_up() {
    let one = peer(ANY, echo()).await;
    // It says hello, and then nothing more.
    let host = Host::real();
    let mut identity = Identity::draw(&host);
    identity.cluster = Some(ClusterId([1; 16]));
    let (member, dir) = (identity.member, tempfile::tempdir().unwrap());
    let key = ClusterKey::new(vec![3; 32]).unwrap();
    let gate = Gate::new(host.clone(), dir.path().to_owned(), key, identity, || None);
    let mut listener = host.network.listen(ANY).await.unwrap();
    let address = listener.local_addr();
    let silent = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let mut stream = FrameReader::new(stream, HELLO_BYTES_MAX);
        admit(&mut stream, &gate).await.unwrap();
        futures::future::pending::<()>().await;
    });
    let lane = one.pool().lane(member, &address, LaneKind::Forward);
    let call = lane.call(Kind::Propose, Bytes::from_static(b"anyone?"));
    let answer = tokio::time::timeout(Duration::from_secs(20), call)
        .await
        .unwrap();
    assert!(matches!(answer, Err(CallError::Lost(_))), "{answer:?}");
    silent.abort();
}

#[tokio::test]
async fn the_open_streams_of_a_removed_member_end() {
    let (one, other) = (peer(ANY, echo()).await, peer(ANY, echo()).await);
    let lane = one.lane(&other, LaneKind::Forward);
    lane.call(Kind::Propose, Bytes::from_static(b"one"))
        .await
        .unwrap();
    let removed = one.gate.identity().member;
    other.gate.update(|directory| {
        directory.removed.insert(removed.0);
    });
    let answer = lane.call(Kind::Propose, Bytes::from_static(b"two")).await;
    assert!(answer.is_err(), "{answer:?}");
    let refused = lane.call(Kind::Propose, Bytes::from_static(b"three")).await;
    assert!(matches!(refused, Err(CallError::Unsent(_))), "{refused:?}");
    let (_, denied, by) = one.gate.counts();
    assert_eq!((denied, by.len()), (1, 1));
}

#[tokio::test]
async fn what_waits_on_a_forgotten_lane_has_lost_its_answer() {
    let (one, other) = (peer(ANY, echo()).await, peer(ANY, echo()).await);
    let (pool, to) = (one.pool(), other.gate.identity().member);
    let lane = || pool.lane(to, &other.address, LaneKind::Forward);
    let waiting = lane().call(Kind::Propose, Bytes::from_static(b"wait"));
    let one = lane().call(Kind::Propose, Bytes::from_static(b"one"));
    one.await.unwrap();
    pool.forget(to, LaneKind::Forward);
    let answer = tokio::time::timeout(Duration::from_secs(20), waiting)
        .await
        .unwrap();
    assert!(matches!(answer, Err(CallError::Lost(_))), "{answer:?}");
    let two = lane().call(Kind::Propose, Bytes::from_static(b"two"));
    two.await.unwrap();
}
