//! Processes die; what was acknowledged does not.

use std::time::Duration;

use node_api::Consistency;

use crate::cluster::Cluster;
use crate::deadline::eventually;
use crate::writer::{Writer, assert_all_there};

#[tokio::test(flavor = "multi_thread")]
async fn no_acknowledged_write_is_lost_while_nodes_are_killed_one_at_a_time() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "killed/");
    for round in 0..6 {
        // The leader every other time, so that each way of losing a node comes up.
        let victim = if round % 2 == 0 {
            cluster.leader().await
        } else {
            (round / 2) % 3
        };
        writer.until_more(100).await;
        cluster.nodes[victim].kill();
        writer.until_more(100).await;
        cluster.nodes[victim].start();
        cluster.until_ready(victim).await;
    }
    let written = writer.stop().await;
    assert!(written.len() >= 1200, "{}", written.len());
    cluster.until_digests_agree(&[0, 1, 2]).await;
    for node in &cluster.nodes {
        assert_all_there(&mut node.data(), &written).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_acknowledged_survives_all_nodes_killed_at_once() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "all/");
    writer.until_more(700).await;
    for node in &mut cluster.nodes {
        node.kill();
    }
    let written = writer.stop().await;
    for node in &mut cluster.nodes {
        node.start();
    }
    for node in 0..3 {
        cluster.until_ready(node).await;
    }
    cluster.until_digests_agree(&[0, 1, 2]).await;
    for node in &cluster.nodes {
        assert_all_there(&mut node.data(), &written).await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_told_to_stop_hands_over_and_leaves_in_time() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "stopped/");
    writer.until_more(50).await;
    let leader = cluster.leader().await;
    let (status, took) = cluster.nodes[leader].terminate();
    assert!(
        status.success(),
        "{status}\n{}",
        cluster.nodes[leader].log()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    writer.until_more(50).await;
    cluster.nodes[leader].start();
    cluster.until_ready(leader).await;
    let written = writer.stop().await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    assert_all_there(&mut cluster.nodes[leader].data(), &written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_minority_refuses_writes_and_fresh_reads_and_still_answers_local_ones() {
    let mut cluster = Cluster::form(3).await;
    let mut data = cluster.nodes[0].data();
    data.put(b"k", "v".into(), &Default::default())
        .await
        .unwrap();
    data.get(b"k", &Consistency::Linearizable)
        .await
        .unwrap()
        .unwrap();
    cluster.nodes[1].kill();
    cluster.nodes[2].kill();
    // Within the lease of a leader that lost its voters a write may still be taken; its outcome is unknown then.
    eventually("an unavailable write", async || {
        match data.put(b"k2", "v".into(), &Default::default()).await {
            Err(node_api::DataError::Unavailable { .. }) => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
    let fresh = data.get(b"k", &Consistency::Linearizable).await;
    assert!(
        matches!(fresh, Err(node_api::DataError::Unavailable { .. })),
        "{fresh:?}"
    );
    let local = data.get(b"k", &Consistency::Local).await.unwrap().unwrap();
    assert_eq!(local.value, "v");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_state_is_rebuilt_from_snapshot_and_log() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "rebuilt/");
    // Past a snapshot: part of the log is given up.
    writer.until_more(1500).await;
    let written = writer.stop().await;
    cluster.nodes[1].kill();
    std::fs::remove_dir_all(cluster.nodes[1].data_dir().join("state")).unwrap();
    cluster.nodes[1].start();
    cluster.until_ready(1).await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    assert_all_there(&mut cluster.nodes[1].data(), &written).await;
}
