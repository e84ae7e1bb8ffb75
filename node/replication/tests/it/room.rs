//! Members whose disks have no room: they lag, and nobody stops.

use std::sync::atomic::Ordering;
use std::time::Duration;

use bytes::Bytes;
use node_replication::{Limits, Proof, ProposeError, Role};

use crate::cluster::Cluster;

/// Past a snapshot, so that a member that lags needs one.
fn few_kept() -> Limits {
    Limits {
        snapshot_every_entries: 20,
        keep_entries: 5,
        ..Limits::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_follower_without_room_lags_and_catches_up_once_it_has_room() {
    for limits in [Limits::default(), few_kept()] {
        let cluster = Cluster::with(3, limits).await;
        cluster.nodes[0].propose("first").await;
        let full = cluster.a_follower().await;
        let node = &cluster.nodes[full];
        node.until("has it", |s| s.applied == s.last_log).await;
        let term = node.log().status().term;
        node.room.store(false, Ordering::Relaxed);
        for number in 0..60 {
            cluster.leader().await.propose(number.to_string()).await;
        }
        assert!(node.commands().len() <= 1, "it took {:?}", node.commands());
        let status = node.log().status();
        assert_eq!((status.fatal, status.term), (None, term));
        node.room.store(true, Ordering::Relaxed);
        assert_eq!(cluster.agree().await.len(), 61);
        assert_eq!(node.log().status().term, term, "nobody stood for election");
        cluster.stop().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_majority_without_room_holds_writes_up_and_reads_go_on() {
    let cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("first").await;
    let leader = cluster.leader_at().await;
    let full = (0..3).filter(|at| *at != leader);
    for at in full.clone() {
        cluster.nodes[at].room.store(false, Ordering::Relaxed);
    }
    let log = cluster.nodes[leader].log().clone();
    let writing = tokio::spawn(async move { log.propose(Bytes::from_static(b"second")).await });
    let log = cluster.nodes[leader].log();
    let begun = tokio::time::Instant::now();
    while begun.elapsed() < Duration::from_secs(3) {
        log.linearize(Proof::Majority).await.unwrap();
        tokio::task::yield_now().await;
    }
    assert!(!writing.is_finished(), "it needs a majority's disks");
    for at in full {
        cluster.nodes[at].room.store(true, Ordering::Relaxed);
    }
    match writing.await.unwrap() {
        Ok(_) | Err(ProposeError::Unknown { .. }) => {}
        Err(error) => panic!("{error}"),
    }
    cluster.nodes[leader].propose("third").await;
    assert_eq!(cluster.agree().await, ["first", "second", "third"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_room_anywhere_leadership_still_moves_and_reads_go_on() {
    let cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("first").await;
    // Whoever lacks it could not take it any more, nor the lead.
    cluster.agree().await;
    for node in &cluster.nodes {
        node.room.store(false, Ordering::Relaxed);
    }
    let former = cluster.leader_at().await;
    let to = cluster.nodes[(former + 1) % 3].id();
    let log = cluster.nodes[former].log();
    log.transfer_leadership(Some(to)).await.unwrap();
    // The third may stand as well, and outbid the one that was asked.
    cluster.nodes[former]
        .until("leads no longer", |status| status.role != Role::Leader)
        .await;
    let next = cluster.leader().await;
    next.log().linearize(Proof::Majority).await.unwrap();
    assert_ne!(next.id(), cluster.nodes[former].id());
    assert_eq!(cluster.agree().await, ["first"]);
    cluster.stop().await;
}
