//! Reads that see every write acknowledged before them.

use std::time::Duration;

use bytes::Bytes;
use node_replication::Proof;

use crate::cluster::Cluster;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_linearized_read_on_any_node_sees_every_acknowledged_write() {
    let cluster = Cluster::of(3).await;
    for number in 0..60 {
        let writer = &cluster.nodes[number % 3];
        let reader = &cluster.nodes[(number + 1) % 3];
        let at = writer.propose(format!("{number}")).await;
        let index = reader.log().linearize(Proof::Majority).await.unwrap();
        assert!(index >= at.index, "{index} does not cover {at}");
        assert!(
            reader.commands().len() > number,
            "the read does not see the write"
        );
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_by_lease_sees_every_acknowledged_write_too() {
    let cluster = Cluster::of(3).await;
    for number in 0..60 {
        let at = cluster.nodes[number % 3].propose(format!("{number}")).await;
        let reader = cluster.nodes[(number + 1) % 3].log();
        let index = reader.linearize(Proof::Lease).await.unwrap();
        assert!(index >= at.index, "{index} does not cover {at}");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_wait_share_a_confirmation() {
    let cluster = Cluster::of(3).await;
    let follower = cluster.a_follower().await;
    cluster.nodes[follower].propose("first").await;
    for node in [follower, cluster.leader_at().await] {
        let mut readers = tokio::task::JoinSet::new();
        let before = cluster.nodes[node].log().status().counters;
        for _ in 0..400 {
            let log = cluster.nodes[node].log().clone();
            readers.spawn(async move { log.linearize(Proof::Majority).await.unwrap() });
        }
        readers.join_all().await;
        let after = cluster.nodes[node].log().status().counters;
        assert_eq!(after.reads - before.reads, 400);
        let rounds = after.read_rounds - before.read_rounds;
        assert!(rounds < 200, "{rounds} rounds for 400 reads");
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_read_without_a_majority_is_unavailable_and_never_stale() {
    let mut cluster = Cluster::of(3).await;
    let alone = cluster.leader_at().await;
    for at in 0..3 {
        if at != alone {
            cluster.nodes[at].stop().await;
        }
    }
    let error = cluster.nodes[alone]
        .log()
        .linearize(Proof::Majority)
        .await
        .unwrap_err();
    assert!(!error.reason.is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn waiting_for_an_index_ends_with_it_or_with_the_deadline() {
    let cluster = Cluster::of(1).await;
    let at = cluster.nodes[0].propose(Bytes::from_static(b"one")).await;
    let log = cluster.nodes[0].log();
    log.wait_applied(at.index, Duration::from_secs(10))
        .await
        .unwrap();
    let error = log
        .wait_applied(at.index + 1, Duration::from_millis(50))
        .await
        .unwrap_err();
    assert!(error.reason.contains("not applied"), "{error}");
    cluster.stop().await;
}
