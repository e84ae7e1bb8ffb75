//! Four kinds of failure, kept apart.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use bytes::Bytes;
use node_replication::{Proof, ProposeError, Status};

use crate::cluster::{Cluster, WITHIN};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn acknowledged_writes_are_there_and_unavailable_ones_are_not() {
    let mut cluster = Cluster::of(3).await;
    let stop = Arc::new(AtomicBool::new(false));
    let mut writers = tokio::task::JoinSet::new();
    for round in 0..4 {
        let victim = cluster.leader_at().await;
        stop.store(false, Ordering::Relaxed);
        for (at, node) in cluster.nodes.iter().enumerate() {
            for writer in 0..4 {
                let (log, stop) = (node.log().clone(), stop.clone());
                writers.spawn(async move {
                    let mut outcomes = Vec::new();
                    for number in 0.. {
                        if stop.load(Ordering::Relaxed) {
                            break;
                        }
                        let command = Bytes::from(format!("{round}/{at}/{writer}/{number}"));
                        let outcome = log.propose(command.clone()).await;
                        let stopped = matches!(outcome, Err(ProposeError::Stopped));
                        outcomes.push((command, outcome));
                        if stopped {
                            break;
                        }
                    }
                    outcomes
                });
            }
        }
        let survivor = (victim + 1) % 3;
        for _ in 0..20 {
            cluster.nodes[survivor]
                .propose(format!("{round} before"))
                .await;
        }
        cluster.nodes[victim].stop().await;
        for _ in 0..20 {
            cluster.nodes[survivor]
                .propose(format!("{round} after"))
                .await;
        }
        stop.store(true, Ordering::Relaxed);
        cluster.nodes[victim].restart().await;
    }
    let outcomes: Vec<_> = writers.join_all().await.into_iter().flatten().collect();
    let commands = cluster.agree().await;
    let applied: BTreeSet<&Bytes> = commands.iter().collect();
    let mut acknowledged = 0;
    for (command, outcome) in &outcomes {
        match outcome {
            Ok(_) => {
                acknowledged += 1;
                assert!(
                    applied.contains(command),
                    "{command:?} was acknowledged and lost"
                );
                let times = commands
                    .iter()
                    .filter(|applied| *applied == command)
                    .count();
                assert_eq!(times, 1, "{command:?} was applied {times} times");
            }
            Err(ProposeError::Unknown { .. }) => {}
            Err(error) => assert!(!applied.contains(command), "{command:?} is there: {error}"),
        }
    }
    assert!(
        acknowledged > 100,
        "only {acknowledged} of {}",
        outcomes.len()
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_majority_nothing_is_acknowledged() {
    let mut cluster = Cluster::of(3).await;
    let alone = cluster.leader_at().await;
    for at in 0..3 {
        if at != alone {
            cluster.nodes[at].stop().await;
        }
    }
    let error = cluster.nodes[alone]
        .log()
        .propose("alone".into())
        .await
        .unwrap_err();
    let may_be_there = match error {
        ProposeError::Unknown { .. } => true,
        ProposeError::Unavailable { .. } => false,
        error => panic!("{error}"),
    };
    for at in 0..3 {
        if at != alone {
            cluster.nodes[at].restart().await;
        }
    }
    cluster.nodes[alone].propose("together").await;
    let there = cluster
        .agree()
        .await
        .contains(&Bytes::from_static(b"alone"));
    assert!(may_be_there || !there, "an unavailable write was applied");
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_applied_before_the_own_log_has_it_on_disk() {
    let cluster = Cluster::of(3).await;
    let slow = cluster.a_follower().await;
    let before = cluster.nodes[slow].log().status().applied;
    cluster.agree().await;
    cluster.nodes[slow].disk.hold();
    let leader = cluster.leader().await;
    let mut last = leader.propose("committed without it").await;
    // It hears that a majority has it.
    let index = last.index;
    let committed = |status: &Status| status.committed.is_some_and(|at| at.index >= index);
    cluster.nodes[slow].until("hears of it", committed).await;
    for number in 0..20 {
        last = leader.propose(format!("more {number}")).await;
    }
    let status = cluster.nodes[slow].log().status();
    assert!(
        status.applied.is_none_or(|at| at.index < index),
        "{status:#?}"
    );
    assert!(
        !cluster.nodes[slow]
            .commands()
            .contains(&Bytes::from("committed without it"))
    );
    assert!(status.applied >= before);
    cluster.nodes[slow].disk.release();
    let log = cluster.nodes[slow].log();
    log.wait_applied(last.index, WITHIN).await.unwrap();
    cluster.agree().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fatal_machine_stops_its_node_before_a_reply_and_says_why() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader_at().await;
    cluster.nodes[leader].propose("one").await;
    cluster.nodes[leader].storage.fail();
    let error = cluster.nodes[leader]
        .log()
        .propose("two".into())
        .await
        .unwrap_err();
    assert!(
        matches!(error, ProposeError::Unknown { .. } | ProposeError::Stopped),
        "{error}"
    );
    let status = cluster.nodes[leader]
        .until("says why", |status| status.fatal.is_some())
        .await;
    let why = status.fatal.unwrap();
    assert!(why.contains("the test wants it so"), "{why}");
    let later = cluster.nodes[leader]
        .log()
        .propose("three".into())
        .await
        .unwrap_err();
    assert!(
        !matches!(later, ProposeError::Busy | ProposeError::Rejected(_)),
        "{later}"
    );
    cluster.nodes[leader].stop().await;
    cluster.nodes[(leader + 1) % 3].propose("four").await;
    let commands = cluster.agree().await;
    assert!(commands.contains(&Bytes::from_static(b"one")));
    assert!(commands.contains(&Bytes::from_static(b"four")));
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopped_node_says_that_it_has_stopped() {
    let mut cluster = Cluster::of(1).await;
    let log = cluster.nodes[0].log().clone();
    cluster.nodes[0].stop().await;
    assert!(matches!(
        log.propose("late".into()).await,
        Err(ProposeError::Stopped)
    ));
    assert!(log.linearize(Proof::Majority).await.is_err());
    log.shutdown().await;
}
