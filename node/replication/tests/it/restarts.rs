//! What a restart keeps.

use std::fs;

use bytes::Bytes;
use node_replication::{Limits, Role};
use tokio::time::{Duration, Instant};

use crate::cluster::{CLUSTER, Cluster, TIMING, TestNode};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_restart_of_all_keeps_everything() {
    let mut cluster = Cluster::of(3).await;
    for number in 0..50 {
        cluster.nodes[number % 3].propose(format!("{number}")).await;
    }
    let before = cluster.agree().await;
    let ids: Vec<_> = cluster.nodes.iter().map(TestNode::id).collect();
    for node in &mut cluster.nodes {
        node.stop().await;
    }
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    assert_eq!(
        cluster.nodes.iter().map(TestNode::id).collect::<Vec<_>>(),
        ids
    );
    assert_eq!(cluster.agree().await, before);
    cluster.nodes[1].propose("after").await;
    assert_eq!(cluster.agree().await.len(), 51);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_state_lost_in_a_power_loss_is_applied_again() {
    let mut cluster = Cluster::of(3).await;
    for number in 0..30 {
        cluster.nodes[0].propose(format!("{number}")).await;
    }
    cluster.agree().await;
    for node in &mut cluster.nodes {
        node.stop().await;
        node.storage.lose_power();
        assert!(node.commands().is_empty());
    }
    for node in &mut cluster.nodes {
        node.restart().await;
    }
    let want: Vec<Bytes> = (0..30)
        .map(|number| Bytes::from(number.to_string()))
        .collect();
    assert_eq!(cluster.agree().await, want);
    cluster.stop().await;
}

/// Flips a bit in the last batch of the log, as a torn write would leave it.
fn tear(node: &TestNode) {
    let log = node.dir().join("log");
    fs::remove_file(log.join("stopped")).unwrap();
    let names = fs::read_dir(&log).unwrap().map(|name| name.unwrap().path());
    let last = names
        .filter(|path| path.extension().is_some_and(|e| e == "log"))
        .max()
        .unwrap();
    let mut bytes = fs::read(&last).unwrap();
    let end = bytes.iter().rposition(|byte| *byte != 0).unwrap();
    bytes[end] ^= 0x55;
    fs::write(last, bytes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_cut_a_torn_tail_lets_others_go_first() {
    let mut node = TestNode::start(Limits::default()).await;
    node.log().bootstrap(CLUSTER).await.unwrap();
    node.until("leads", |status| status.role == Role::Leader)
        .await;
    node.propose("one").await;
    let three_elections = Duration::from_millis(3 * TIMING.election_max_ms);

    let start = Instant::now();
    node.restart().await;
    node.until("leads", |status| status.role == Role::Leader)
        .await;
    assert!(
        start.elapsed() < three_elections,
        "a whole log waits for nobody"
    );

    node.propose("two").await;
    node.stop().await;
    tear(&node);
    let start = Instant::now();
    node.restart().await;
    node.until("leads", |status| status.role == Role::Leader)
        .await;
    assert!(
        start.elapsed() >= three_elections,
        "it led after {:?}",
        start.elapsed()
    );
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_log_that_is_gone_while_the_state_is_there_refuses_to_start() {
    let mut cluster = Cluster::of(1).await;
    cluster.nodes[0].propose("one").await;
    let node = &mut cluster.nodes[0];
    node.stop().await;
    fs::remove_dir_all(node.dir().join("log")).unwrap();
    let error = node.try_start().await.unwrap_err();
    assert!(error.to_string().contains("its log is not"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_folder_in_use_refuses_a_second_node() {
    let mut cluster = Cluster::of(1).await;
    let node = &mut cluster.nodes[0];
    let error = node.try_start().await.unwrap_err();
    assert!(
        error.to_string().contains("lock the data folder"),
        "{error}"
    );
    cluster.stop().await;
}
