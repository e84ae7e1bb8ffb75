//! Leaders come and go.

use bytes::Bytes;
use node_replication::{AdminError, MemberId, Proof, Refusal};

use crate::cluster::{Cluster, TestNode, WITHIN};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_leader_dies_another_takes_over_and_nothing_is_lost() {
    let mut cluster = Cluster::of(3).await;
    for round in 0..3 {
        cluster.nodes[round]
            .propose(format!("before {round}"))
            .await;
        let leader = cluster.leader_at().await;
        cluster.nodes[leader].stop().await;
        let other = (leader + 1) % 3;
        cluster.nodes[other].propose(format!("after {round}")).await;
        cluster.nodes[leader].restart().await;
    }
    let want = (0..3).flat_map(|round| [format!("before {round}"), format!("after {round}")]);
    assert_eq!(
        cluster.agree().await,
        want.map(Bytes::from).collect::<Vec<_>>()
    );
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_where_it_is_sent() {
    let cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    for _ in 0..3 {
        let follower = cluster.a_follower().await;
        let id = cluster.nodes[follower].id();
        // Where a third stands at the same time and wins, it is asked again.
        let moved = async {
            while cluster.leader().await.id() != id {
                hand_over(&cluster, Some(id)).await;
            }
        };
        tokio::time::timeout(WITHIN, moved)
            .await
            .expect("it leads in time");
    }
    let id = cluster.leader().await.id();
    hand_over(&cluster, None).await;
    assert_ne!(cluster.leader().await.id(), id);
    cluster.agree().await;
    cluster.stop().await;
}

/// A new leader needs a moment to know who has caught up.
async fn hand_over(cluster: &Cluster, to: Option<MemberId>) {
    let handed_over = async {
        loop {
            let leader = cluster.leader().await;
            match leader.log().transfer_leadership(to).await {
                Ok(()) => return,
                Err(
                    AdminError::Refused(Refusal::CannotLead(_)) | AdminError::Unavailable { .. },
                ) => {
                    // It may lead no longer: whoever does is asked next.
                    drop(leader.log().linearize(Proof::Majority).await);
                }
                Err(AdminError::NotLeader { .. }) => tokio::task::yield_now().await,
                Err(error) => panic!("{error}"),
            }
        }
    };
    tokio::time::timeout(WITHIN, handed_over)
        .await
        .expect("handed over in time");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn leadership_goes_to_no_learner_and_only_the_leader_sends_it() {
    let mut cluster = Cluster::of(2).await;
    let learner = TestNode::start(Default::default()).await;
    cluster.learn(&learner).await;
    let id = learner.id();
    let refused = cluster
        .leader()
        .await
        .log()
        .transfer_leadership(Some(id))
        .await;
    let refused = refused.unwrap_err();
    assert!(matches!(refused, AdminError::Refused(Refusal::CannotLead(to)) if to == id));
    let follower = cluster.a_follower().await;
    let leader = cluster.leader().await.id();
    let error = cluster.nodes[follower]
        .log()
        .transfer_leadership(None)
        .await
        .unwrap_err();
    assert!(matches!(error, AdminError::NotLeader { leader: Some(known) } if known == leader));
    cluster.nodes.push(learner);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_that_was_away_deposes_nobody_when_it_returns() {
    let mut cluster = Cluster::of(3).await;
    let follower = cluster.a_follower().await;
    let (leader, term) = {
        let status = cluster.leader().await.log().status();
        (status.member, status.term)
    };
    cluster.nodes[follower].stop().await;
    cluster.leader().await.propose("while it was away").await;
    cluster.nodes[follower].restart().await;
    let status = cluster.nodes[follower]
        .until("follows again", |status| status.leader == Some(leader))
        .await;
    assert_eq!(status.term, term);
    cluster.agree().await;
    cluster.stop().await;
}
