//! Processes die; what was acknowledged does not.

use std::time::Duration;

use node_api::Consistency;
use node_api::proto::Role;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

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
    let term = cluster.status(leader).await.term;
    let (status, took) = cluster.nodes[leader].terminate();
    // Nobody can have missed the old leader yet: this one took over while it was there.
    let mut leads = Vec::new();
    for node in (0..3).filter(|node| *node != leader) {
        let status = cluster.try_status(node).await.unwrap();
        leads.extend((status.role() == Role::Leader).then_some(status.term));
    }
    assert!(
        leads.iter().any(|new| *new > term),
        "nobody has taken over in term {term}: {leads:?}\n{}",
        cluster.nodes[leader].log()
    );
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
async fn a_leader_told_to_stop_finishes_what_is_in_flight() {
    let mut cluster = Cluster::form(3).await;
    let leader = cluster.leader().await;
    let mut stream = TcpStream::connect(&cluster.nodes[leader].bound.http)
        .await
        .unwrap();
    let begun = "PUT /db/in-flight HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 5\r\n\r\n";
    stream.write_all(begun.as_bytes()).await.unwrap();
    // It says so once it waits for the value.
    let mut go_on = [0; 25];
    stream.read_exact(&mut go_on).await.unwrap();
    assert_eq!(&go_on, b"HTTP/1.1 100 Continue\r\n\r\n");
    stream.write_all(b"val").await.unwrap();
    cluster.nodes[leader].tell_to_stop();
    eventually("another leader", async || {
        for node in (0..3).filter(|node| *node != leader) {
            if cluster.try_status(node).await?.role() == Role::Leader {
                return Ok(());
            }
        }
        Err("nobody leads".to_owned())
    })
    .await;
    stream.write_all(b"ue").await.unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).await.unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    assert!(cluster.nodes[leader].wait().success());
    let mut other = cluster.nodes[(leader + 1) % 3].data();
    let found = other.get(b"in-flight", &Consistency::Linearizable).await;
    assert_eq!(found.unwrap().unwrap().value, "value");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_leader_whose_peers_are_gone_leaves_in_time_when_told_to() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "alone/");
    writer.until_more(50).await;
    let leader = cluster.leader().await;
    for node in (0..3).filter(|node| *node != leader) {
        cluster.nodes[node].kill();
    }
    let (status, took) = cluster.nodes[leader].terminate();
    assert!(
        status.success(),
        "{status}\n{}",
        cluster.nodes[leader].log()
    );
    assert!(took < Duration::from_secs(10), "{took:?}");
    writer.stop().await;
}

#[test]
fn a_node_told_to_stop_during_its_start_leaves() {
    for entry in ["lock", "state", "identity", "log"] {
        let mut cluster = Cluster::start(0);
        let node = cluster.add_stopped();
        let status = cluster.nodes[node].terminate_at(entry);
        assert!(
            status.success(),
            "{entry}: {status}\n{}",
            cluster.nodes[node].log()
        );
        // What it left behind is good to start on.
        cluster.nodes[node].start();
        assert!(cluster.nodes[node].terminate().0.success());
    }
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
