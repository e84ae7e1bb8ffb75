//! A survivor begins anew, and the others never disturb it again.

use std::time::Duration;

use bytes::Bytes;
use node_replication::{AdminError, Limits, ProposeError, Refusal, Role};

use crate::cluster::{CLUSTER, Cluster, TestNode};

async fn recover(node: &TestNode, incarnation: u32) -> Result<u32, AdminError> {
    let status = node.log().status();
    let index = status.last_log.map_or(0, |id| id.index);
    let entry = |n: u32| Bytes::from(format!("incarnation {n}"));
    node.log().recover(incarnation, index, entry).await
}

fn refusal(outcome: Result<u32, AdminError>) -> Refusal {
    match outcome.unwrap_err() {
        AdminError::Refused(refusal) => refusal,
        error => panic!("{error}"),
    }
}

/// Stops all but one, recovers from that one, and lets the others come back on their old disks.
async fn survive(mut cluster: Cluster, survivor: usize) {
    let mut want = cluster.agree().await;
    let ids: Vec<_> = cluster.nodes.iter().map(TestNode::id).collect();
    for at in 0..3 {
        if at != survivor {
            cluster.nodes[at].stop().await;
        }
    }
    let alone = &cluster.nodes[survivor];
    alone
        .until("hears of nobody", |status| status.leaderless)
        .await;
    // It may be in the log of a leader that is alone.
    let unknown = alone.log().propose("alone".into()).await;
    let in_log = matches!(unknown, Err(ProposeError::Unknown { .. }));
    assert!(unknown.is_err());
    assert_eq!(recover(alone, 0).await.unwrap(), 1);
    let status = alone
        .until("leads", |status| status.role == Role::Leader)
        .await;
    assert_eq!((status.incarnation, status.cluster), (1, Some(CLUSTER)));
    alone.propose("after").await;
    want.extend(in_log.then(|| Bytes::from("alone")));
    want.extend(["incarnation 1", "after"].map(Bytes::from));
    assert_eq!(alone.commands(), want);
    let status = alone.log().status();
    assert_eq!(status.members.len(), 1);
    let (given, current) = (0, 1);
    let again = refusal(recover(alone, 0).await);
    assert_eq!(again, Refusal::OtherIncarnation { given, current });
    let removed: Vec<_> = ids.iter().filter(|id| **id != alone.id()).collect();
    assert!(removed.iter().all(|id| status.removed.contains(id)));

    // Two of three: a majority of the membership they know.
    for at in (0..3).filter(|at| *at != survivor) {
        cluster.nodes[at].restart().await;
    }
    for at in (0..3).filter(|at| *at != survivor) {
        let node = &mut cluster.nodes[at];
        let status = node
            .until("knows that it is left behind", |s| s.left_behind)
            .await;
        assert!(status.self_removed);
        assert_eq!((status.counters.elections, status.incarnation), (0, 0));
        assert_ne!(status.role, Role::Leader);
        let status = node.until("says so", |s| s.fatal.is_some()).await;
        assert!(status.fatal.unwrap().contains("began anew"));
        assert!(node.log().propose("lost".into()).await.is_err());
        assert!(
            status
                .refused_by
                .iter()
                .any(|(by, why)| *by == ids[survivor] && why.contains("older incarnation"))
        );
        node.stop().await;
    }
    let new = TestNode::start(Limits::default()).await;
    cluster.join(&new).await;
    assert_eq!(new.log().status().incarnation, 1);
    cluster.nodes.push(new);
    cluster.nodes[3].propose("through the new one").await;
    want.push("through the new one".into());
    assert_eq!(cluster.agree().await, want);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_that_survives_begins_anew_and_the_old_members_elect_nobody() {
    let cluster = Cluster::of(3).await;
    for number in 0..20 {
        cluster.nodes[number % 3].propose(format!("{number}")).await;
    }
    let follower = cluster.a_follower().await;
    survive(cluster, follower).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_survives_keeps_what_it_alone_has() {
    let cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let leader = cluster.leader_at().await;
    survive(cluster, leader).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_survivor_whose_log_begins_with_a_snapshot_gives_it_to_newcomers() {
    let limits = Limits {
        snapshot_every_entries: 20,
        keep_entries: 5,
        ..Limits::default()
    };
    let mut cluster = Cluster::with(3, limits.clone()).await;
    for number in 0..60 {
        cluster.nodes[0].propose(format!("{number}")).await;
    }
    cluster.agree().await;
    let survivor = cluster.a_follower().await;
    for at in (0..3).filter(|at| *at != survivor) {
        cluster.nodes[at].stop().await;
    }
    let alone = &cluster.nodes[survivor];
    alone
        .until("purged its log", |status| status.purged.is_some())
        .await;
    alone
        .until("hears of nobody", |status| status.leaderless)
        .await;
    recover(alone, 0).await.unwrap();
    alone
        .until("leads", |status| status.role == Role::Leader)
        .await;
    let new = TestNode::start(limits).await;
    cluster.join(&new).await;
    assert!(new.log().status().counters.snapshots_installed > 0);
    cluster.nodes.push(new);
    assert_eq!(cluster.agree().await.len(), 61);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_the_others_live_there_is_nothing_to_recover() {
    let mut cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let leader = cluster.leader().await.id();
    for node in &cluster.nodes {
        node.until("knows the leader", |status| !status.leaderless)
            .await;
        assert_eq!(refusal(recover(node, 0).await), Refusal::Led(leader));
    }
    // No leader for a while, and two that can elect one.
    let gone = cluster.leader_at().await;
    cluster.nodes[gone].stop().await;
    let other = (gone + 1) % 3;
    let refused = loop {
        match refusal(recover(&cluster.nodes[other], 0).await) {
            Refusal::Led(of) if of == leader => tokio::time::sleep(Duration::from_millis(5)).await,
            refusal => break refusal,
        }
    };
    assert!(
        matches!(
            refused,
            Refusal::Led(_) | Refusal::MajorityReached { reached: 2, .. }
        ),
        "{refused}"
    );
    let waiting = TestNode::start(Limits::default()).await;
    assert_eq!(refusal(recover(&waiting, 0).await), Refusal::NoCluster);
    assert!(cluster.nodes[other].log().status().incarnation == 0);
    cluster.nodes[other].propose("two").await;
    cluster.stop().await;
}
