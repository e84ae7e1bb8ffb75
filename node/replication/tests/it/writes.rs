//! Writes from anywhere.

use std::collections::BTreeSet;

use bytes::Bytes;
use node_replication::{Limits, ProposeError, Rejected};

use crate::cluster::Cluster;
use crate::machine::{TURNED_DOWN, reply};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_write_on_any_node_is_on_every_node() {
    let cluster = Cluster::of(3).await;
    for (number, node) in cluster.nodes.iter().enumerate() {
        let command = Bytes::from(format!("from {number}"));
        let (at, answer) = node.log().propose(command.clone()).await.unwrap();
        assert_eq!(answer, reply(number, &command));
        assert!(at.index > 0);
    }
    assert_eq!(cluster.agree().await, ["from 0", "from 1", "from 2"]);
    let followers = cluster
        .nodes
        .iter()
        .map(|node| node.log().status().counters);
    assert_eq!(
        followers
            .map(|counters| counters.forwarded.min(1))
            .sum::<u64>(),
        2
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn many_writers_on_all_nodes_get_each_reply_once_and_one_order() {
    let cluster = Cluster::of(3).await;
    let mut writers = tokio::task::JoinSet::new();
    for writer in 0..48 {
        let log = cluster.nodes[writer % 3].log().clone();
        writers.spawn(async move {
            let mut written = Vec::new();
            for number in 0..25 {
                let command = Bytes::from(format!("{writer}/{number}"));
                let (at, answer) = log.propose(command.clone()).await.unwrap();
                assert_eq!(answer[8..], command[..]);
                written.push((at, u64::from_be_bytes(answer[..8].try_into().unwrap())));
            }
            assert!(
                written.is_sorted(),
                "a writer's own writes keep their order"
            );
            written
        });
    }
    let places: BTreeSet<_> = writers.join_all().await.into_iter().flatten().collect();
    assert_eq!(places.len(), 48 * 25);
    let commands = cluster.agree().await;
    assert_eq!(
        commands.iter().collect::<BTreeSet<_>>().len(),
        commands.len()
    );
    assert_eq!(commands.len(), 48 * 25);
    let counters = cluster.leader().await.log().status().counters;
    assert!(
        counters.applied_runs < counters.applied_entries,
        "writes share runs: {counters:?}"
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_the_leader_turns_down_enters_no_log_and_says_so_everywhere() {
    let cluster = Cluster::of(3).await;
    for node in &cluster.nodes {
        let error = node
            .log()
            .propose(Bytes::from_static(TURNED_DOWN))
            .await
            .unwrap_err();
        let ProposeError::Rejected(Rejected(why)) = error else {
            panic!("{error}")
        };
        assert_eq!(why, "no");
    }
    assert!(cluster.agree().await.is_empty());
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_than_the_queue_takes_is_busy_and_surely_not_applied() {
    let limits = Limits {
        proposals_max: 4,
        ..Limits::default()
    };
    let cluster = Cluster::with(1, limits).await;
    let mut writers = tokio::task::JoinSet::new();
    for number in 0..200 {
        let log = cluster.nodes[0].log().clone();
        writers.spawn(async move { log.propose(Bytes::from(format!("{number}"))).await });
    }
    let outcomes = writers.join_all().await;
    let done = outcomes.iter().filter(|outcome| outcome.is_ok()).count();
    let busy = outcomes
        .iter()
        .filter(|o| matches!(o, Err(ProposeError::Busy)))
        .count();
    assert_eq!(done + busy, 200);
    assert!(done > 0 && busy > 0, "{done} done, {busy} busy");
    assert_eq!(cluster.agree().await.len(), done);
    assert_eq!(cluster.nodes[0].log().status().counters.busy, busy as u64);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_proposal_larger_than_a_frame_is_unavailable_at_once() {
    let cluster = Cluster::of(1).await;
    let error = cluster.nodes[0]
        .log()
        .propose(vec![0; 9 << 20].into())
        .await
        .unwrap_err();
    assert!(matches!(error, ProposeError::Unavailable { .. }), "{error}");
    let large = Bytes::from(vec![1; 7 << 20]);
    cluster.nodes[0].propose(large.clone()).await;
    assert_eq!(cluster.agree().await, [large]);
    cluster.stop().await;
}
