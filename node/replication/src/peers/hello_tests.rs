//! Both ends of a hello over a pipe: what each proves, and what each hears when it does not.

use std::sync::Arc;

use node_host::Host;
use tokio::io::DuplexStream;

use super::*;
use crate::membership::Member;
use crate::peers::gate::Gate;

const CLUSTER: ClusterId = ClusterId([1; 16]);

fn key(byte: u8) -> ClusterKey {
    ClusterKey::new(vec![byte; 32]).unwrap()
}

fn at(index: u64) -> LogId {
    LogId {
        term: 1,
        leader: 1,
        index,
    }
}

struct End {
    gate: Arc<Gate>,
    _dir: tempfile::TempDir,
}

impl End {
    fn new(cluster: Option<ClusterId>, key: ClusterKey, last: Option<LogId>) -> End {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let mut identity = Identity::draw(&host);
        identity.cluster = cluster;
        let gate = Gate::new(host, dir.path().to_owned(), key, identity, move || last);
        End {
            gate: Arc::new(gate),
            _dir: dir,
        }
    }

    /// Of the cluster, with the key, and nothing in its log.
    fn member() -> End {
        End::new(Some(CLUSTER), key(7), None)
    }

    fn id(&self) -> MemberId {
        self.gate.identity().member
    }

    fn register(&self, other: &End, key: [u8; 32]) {
        let member = Member {
            peer_address: "host:1".into(),
            key,
            epoch: 1,
        };
        self.gate.update(|directory| {
            directory.members.insert(other.id().0, member);
        });
    }

    fn knows(&self, other: &End) {
        self.register(other, other.gate.identity().public_key());
    }

    fn leads(&self) {
        self.gate.update(|directory| directory.leading = true);
    }
}

type Side = Result<Claim, HelloError>;

/// A hello from `caller`, who means to reach `expected`.
async fn hello(caller: &End, answerer: &End, expected: MemberId) -> (Side, Side) {
    let (near, far) = tokio::io::duplex(4096);
    let call = async {
        let mut stream = FrameReader::new(near, HELLO_BYTES_MAX);
        let identity = caller.gate.identity();
        let judge = |claim: &Claim| caller.gate.judge_answerer(claim, expected);
        let me = caller.gate.party(&identity);
        call(&mut stream, me, LaneKind::Control, expected, judge).await
    };
    let answer = async {
        let mut stream = FrameReader::new(far, HELLO_BYTES_MAX);
        let identity = answerer.gate.identity();
        let me = answerer.gate.party(&identity);
        let caller = answer(&mut stream, &me).await?;
        let claim = caller.claim;
        let verdict = answerer.gate.judge_caller(&claim, caller.expected).await;
        conclude(&mut stream, caller, verdict.err()).await?;
        verdict
            .map(|()| claim)
            .map_err(|denial| HelloError::Refused(denial, Some(claim.member)))
    };
    tokio::join!(call, answer)
}

#[track_caller]
fn refused(side: &Side, want: Denial) {
    assert!(
        matches!(side, Err(HelloError::Refused(why, _)) if *why == want),
        "{side:?}"
    );
}

#[track_caller]
fn denied(side: &Side, want: Denial) {
    assert!(
        matches!(side, Err(HelloError::Denied(why, _)) if *why == want),
        "{side:?}"
    );
}

/// The answerer turns the caller down, and the caller hears why.
#[track_caller]
fn turned_down(sides: (Side, Side), want: Denial) {
    denied(&sides.0, want);
    refused(&sides.1, want);
}

/// The caller turns the answerer down, and the answerer hears why.
#[track_caller]
fn turned_down_by_caller(sides: (Side, Side), want: Denial) {
    refused(&sides.0, want);
    denied(&sides.1, want);
}

#[tokio::test]
async fn members_of_a_cluster_accept_each_other() {
    let (one, other) = (End::member(), End::member());
    one.knows(&other);
    other.knows(&one);
    let (called, answered) = hello(&one, &other, other.id()).await;
    assert_eq!(called.unwrap().member, other.id());
    assert_eq!(answered.unwrap().member, one.id());
}

#[tokio::test]
async fn another_cluster_key_is_refused_by_both() {
    let (one, other) = (End::member(), End::new(Some(CLUSTER), key(8), None));
    let (called, answered) = hello(&one, &other, other.id()).await;
    refused(&called, Denial::WrongKey);
    // Without the key the caller proves nothing either; its stream ends.
    refused(&answered, Denial::WrongKey);
}

#[tokio::test]
async fn a_disk_of_another_cluster_is_refused() {
    let stranger = End::new(Some(ClusterId([2; 16])), key(7), None);
    let member = End::member();
    turned_down_by_caller(
        hello(&member, &stranger, stranger.id()).await,
        Denial::OtherCluster,
    );
}

#[tokio::test]
async fn another_member_at_the_address_is_refused() {
    let (one, other) = (End::member(), End::member());
    let sides = hello(&one, &other, MemberId(42)).await;
    turned_down_by_caller(sides, Denial::NotTheExpectedMember);
}

#[tokio::test]
async fn a_removed_member_is_refused_both_ways() {
    let (one, removed) = (End::member(), End::member());
    one.gate.update(|directory| {
        directory.removed.insert(removed.id().0);
    });
    turned_down(hello(&removed, &one, one.id()).await, Denial::Removed);
    turned_down_by_caller(hello(&one, &removed, removed.id()).await, Denial::Removed);
}

#[tokio::test]
async fn an_older_incarnation_is_refused() {
    let (old, new) = (End::member(), End::member());
    let raised = new
        .gate
        .change_identity::<crate::identity::IdentityError>(|identity| {
            identity.incarnation = 1;
            Ok(())
        });
    raised.await.unwrap();
    turned_down(hello(&old, &new, new.id()).await, Denial::OlderIncarnation);
    turned_down_by_caller(hello(&new, &old, old.id()).await, Denial::OlderIncarnation);
}

#[tokio::test]
async fn an_unregistered_member_is_refused_by_the_leader_alone() {
    let (leader, stranger) = (End::member(), End::member());
    let (called, answered) = hello(&stranger, &leader, leader.id()).await;
    assert!(
        called.is_ok() && answered.is_ok(),
        "a follower may not have heard of it yet"
    );
    leader.leads();
    turned_down(
        hello(&stranger, &leader, leader.id()).await,
        Denial::Unregistered,
    );
}

#[tokio::test]
async fn another_credential_than_the_registered_one_is_refused() {
    let (one, other) = (End::member(), End::member());
    one.register(&other, [9; 32]);
    turned_down(hello(&other, &one, one.id()).await, Denial::WrongCredential);
}

#[tokio::test]
async fn a_log_behind_what_was_acknowledged_is_refused() {
    let behind = End::new(Some(CLUSTER), key(7), Some(at(4)));
    let leader = End::member();
    leader.knows(&behind);
    let acknowledge = |index| {
        leader.gate.update(|directory| {
            directory.acknowledged.insert(behind.id().0, at(index));
        });
    };
    acknowledge(4);
    assert!(hello(&leader, &behind, behind.id()).await.0.is_ok());
    acknowledge(5);
    let want = Denial::LogBehindAcknowledged;
    turned_down_by_caller(hello(&leader, &behind, behind.id()).await, want);
    turned_down(hello(&behind, &leader, leader.id()).await, want);
}

#[tokio::test]
async fn an_empty_disk_joins_who_calls_exactly_it_and_stays() {
    let (leader, empty) = (End::member(), End::new(None, key(7), None));
    leader.knows(&empty);
    leader.leads();
    let (called, answered) = hello(&leader, &empty, empty.id()).await;
    assert!(
        called.is_ok() && answered.is_ok(),
        "{called:?} {answered:?}"
    );
    let stored = Identity::load_or_draw(&Host::real(), empty._dir.path())
        .await
        .unwrap();
    assert_eq!((stored.cluster, stored.member), (Some(CLUSTER), empty.id()));
    let stranger = End::new(Some(ClusterId([2; 16])), key(7), None);
    turned_down_by_caller(
        hello(&stranger, &empty, empty.id()).await,
        Denial::OtherCluster,
    );
}

#[tokio::test]
async fn a_caller_without_a_cluster_is_refused() {
    let (empty, member) = (End::new(None, key(7), None), End::member());
    turned_down_by_caller(
        hello(&empty, &member, member.id()).await,
        Denial::OtherCluster,
    );
}

#[tokio::test]
async fn a_format_from_the_future_is_refused_by_name() {
    let member = End::member();
    let (near, far) = tokio::io::duplex(4096);
    let caller = async move {
        let mut stream: FrameReader<DuplexStream> = FrameReader::new(near, HELLO_BYTES_MAX);
        let mut first = BytesMut::new();
        first.put_slice(&MAGIC);
        first.put_u16(VERSION + 1);
        first.put_slice(&[0; 200]);
        say(stream.stream_mut(), &first).await.unwrap();
        hear(&mut stream).await.unwrap()[0]
    };
    let answer = async {
        let identity = member.gate.identity();
        let me = member.gate.party(&identity);
        let mut stream = FrameReader::new(far, HELLO_BYTES_MAX);
        answer(&mut stream, &me).await.map(|caller| caller.claim)
    };
    let (verdict, answered) = tokio::join!(caller, answer);
    assert_eq!(
        Denial::from_verdict(verdict),
        Some(Denial::FormatFromTheFuture)
    );
    refused(&answered, Denial::FormatFromTheFuture);
}

#[tokio::test]
async fn noise_is_refused_without_a_word() {
    let member = End::member();
    let (mut near, far) = tokio::io::duplex(4096);
    near.write_all(b"GET / HTTP/1.1\r\nhost: here\r\n\r\n")
        .await
        .unwrap();
    let identity = member.gate.identity();
    let me = member.gate.party(&identity);
    let answered = answer(&mut FrameReader::new(far, HELLO_BYTES_MAX), &me).await;
    assert!(matches!(
        answered.map(|caller| caller.claim),
        Err(HelloError::Stream(_))
    ));
}
