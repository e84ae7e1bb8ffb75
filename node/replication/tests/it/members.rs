//! Members join, leave, and never return.

use node_replication::{
    AdminError, ClusterId, Limits, MemberId, MemberRole, MemberStatus, Proof, ProposeError,
    Refusal, Role, Status,
};

use crate::cluster::{CLUSTER, Cluster, TestNode, remove, set};

fn refusal(error: AdminError) -> Refusal {
    match error {
        AdminError::Refused(refusal) => refusal,
        error => panic!("{error}"),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_waits_until_it_is_bootstrapped_and_that_happens_once() {
    let mut node = TestNode::start(Limits::default()).await;
    assert_eq!(node.log().status().role, Role::Waiting);
    let error = node.log().propose("too early".into()).await.unwrap_err();
    assert!(matches!(error, ProposeError::Unavailable { .. }), "{error}");
    node.log().bootstrap(CLUSTER).await.unwrap();
    let status = node
        .until("leads", |status| status.role == Role::Leader)
        .await;
    assert_eq!(status.cluster, Some(CLUSTER));
    for _ in 0..2 {
        let again = node.log().bootstrap(CLUSTER).await.unwrap_err();
        assert_eq!(refusal(again), Refusal::AlreadyBootstrapped);
        node.restart().await;
    }
    node.until("leads again", |status| status.role == Role::Leader)
        .await;
    node.propose("one").await;
    node.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_learner_is_called_into_the_cluster_follows_and_does_not_vote() {
    let mut cluster = Cluster::of(1).await;
    cluster.nodes[0].propose("before").await;
    let learner = TestNode::start(Limits::default()).await;
    cluster.learn(&learner).await;
    let status = learner
        .until("follows", |status| status.role == Role::Learner)
        .await;
    assert_eq!(status.cluster, Some(CLUSTER));
    let again = learner.log().bootstrap(CLUSTER).await.unwrap_err();
    assert_eq!(refusal(again), Refusal::AlreadyBootstrapped);
    let index = learner.log().linearize(Proof::Majority).await.unwrap();
    assert!(index > 0);
    assert_eq!(learner.commands(), ["before"]);
    learner.propose("through the learner").await;
    let members = cluster.leader().await.log().status().members;
    let voters: Vec<MemberId> = members.iter().filter(|m| m.voter).map(|m| m.id).collect();
    assert_eq!((members.len(), voters), (2, vec![cluster.nodes[0].id()]));
    cluster.nodes.push(learner);
    assert_eq!(cluster.agree().await, ["before", "through the learner"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_removed_voter_is_told_stops_voting_and_never_returns() {
    let mut cluster = Cluster::of(3).await;
    let leaving = cluster.a_follower().await;
    let (id, member) = (
        cluster.nodes[leaving].id(),
        cluster.nodes[leaving].member(3),
    );
    cluster.change(remove(id)).await;
    cluster.leader().await.propose("without it").await;
    let status = cluster
        .leader()
        .await
        .until("forgets it", |s| s.removed.contains(&id))
        .await;
    assert_eq!(status.members.len(), 2);
    let removed = cluster.nodes[leaving]
        .until("knows it", |status| status.self_removed)
        .await;
    assert_ne!(removed.role, Role::Leader);
    cluster.nodes[leaving].restart().await;
    cluster.nodes[leaving]
        .until("hears it again", |status| status.self_removed)
        .await;
    let change = set(id, member, MemberRole::Learner);
    let back = cluster
        .leader()
        .await
        .log()
        .change_members(None, change)
        .await;
    assert_eq!(refusal(back.unwrap_err()), Refusal::Removed(id));
    cluster.nodes[leaving].stop().await;
    cluster.agree().await;
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_leader_alone_says_of_everyone_whether_it_is_reached() {
    let cluster = Cluster::of(3).await;
    let leader = cluster.leader_at().await;
    let ids: Vec<MemberId> = cluster.nodes.iter().map(|node| node.id()).collect();
    for (at, node) in cluster.nodes.iter().enumerate() {
        let expected = |member: MemberId| match member {
            _ if at == leader => Some(true),
            member if member == ids[leader] || member == ids[at] => Some(true),
            _ => None,
        };
        node.until("sees what it can", |status| {
            let mut members = status.members.iter();
            members.len() == 3 && members.all(|m| m.reached == expected(m.id))
        })
        .await;
    }
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn one_change_replaces_a_lost_voter() {
    let mut cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let lost = cluster.a_follower().await;
    let lost_id = cluster.nodes[lost].id();
    cluster.nodes[lost].stop().await;
    let new = TestNode::start(Limits::default()).await;
    cluster.learn(&new).await;
    let id = new.id();
    let leader = cluster.leader().await;
    leader
        .until("the new one has caught up", |status| {
            status
                .members
                .iter()
                .any(|member| member.id == id && member.caught_up)
        })
        .await;
    let mut change = set(id, new.member(2), MemberRole::Voter);
    change.remove.insert(lost_id);
    cluster.change(change).await;
    cluster.nodes.push(new);
    cluster.leader().await.propose("two").await;
    assert_eq!(cluster.agree().await, ["one", "two"]);
    let status = cluster.leader().await.log().status();
    assert_eq!(
        status.members.iter().filter(|member| member.voter).count(),
        3
    );
    assert!(!status.membership_joint);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_steps_back_to_learner_while_another_leaves() {
    let mut cluster = Cluster::of(4).await;
    let leader = cluster.leader_at().await;
    let others: Vec<usize> = (0..4).filter(|at| *at != leader).collect();
    let (stays, leaves) = (&cluster.nodes[others[0]], &cluster.nodes[others[1]]);
    let (stays_id, leaves_id) = (stays.id(), leaves.id());
    let mut change = set(stays_id, stays.member(3), MemberRole::Learner);
    change.remove.insert(leaves_id);
    cluster.change(change).await;
    let members = cluster.leader().await.log().status().members;
    let of = |id| {
        members
            .iter()
            .find(|member| member.id == id)
            .map(|member| member.voter)
    };
    assert_eq!((of(stays_id), of(leaves_id)), (Some(false), None));
    cluster.nodes[others[1]].stop().await;
    cluster.leader().await.propose("one").await;
    assert_eq!(cluster.agree().await, ["one"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_steps_back_keeps_its_log_and_votes_again() {
    let cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let at = cluster.a_follower().await;
    let (node, id) = (&cluster.nodes[at], cluster.nodes[at].id());
    let voters = |status: &Status| status.members.iter().filter(|member| member.voter).count();
    cluster
        .change(set(id, node.member(3), MemberRole::Learner))
        .await;
    let status = cluster.leader().await.log().status();
    assert_eq!((voters(&status), status.membership_joint), (2, false));
    let member = status.members.iter().find(|member| member.id == id);
    assert_eq!(member.map(|m| (m.voter, m.member.epoch)), Some((false, 3)));
    node.until("knows that it does not vote", |s| s.role == Role::Learner)
        .await;
    // It is no voter, and still gets every entry.
    cluster.leader().await.propose("two").await;
    assert_eq!(cluster.agree().await, ["one", "two"]);

    let log = cluster.leader().await.log().clone();
    let stale = set(id, node.member(3), MemberRole::Voter);
    let refused = log.change_members(None, stale).await.unwrap_err();
    assert!(matches!(refusal(refused), Refusal::StaleEpoch { .. }));
    cluster
        .leader()
        .await
        .until("has it caught up", |s| {
            s.members.iter().any(|m| m.id == id && m.caught_up)
        })
        .await;
    cluster
        .change(set(id, node.member(4), MemberRole::Voter))
        .await;
    node.until("votes again", |s| {
        s.role == Role::Follower && voters(s) == 3
    })
    .await;
    cluster.leader().await.propose("three").await;
    assert_eq!(cluster.agree().await, ["one", "two", "three"]);
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_voter_does_not_step_back_where_no_live_majority_remains() {
    let mut cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let leader = cluster.leader_at().await;
    let (down, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let (down_id, other_id) = (cluster.nodes[down].id(), cluster.nodes[other].id());
    cluster.nodes[down].stop().await;
    cluster.nodes[leader]
        .until("misses it", |status| {
            let missed = |m: &MemberStatus| m.id == down_id && m.reached == Some(false);
            status.members.iter().any(missed)
        })
        .await;
    let change = set(
        other_id,
        cluster.nodes[other].member(3),
        MemberRole::Learner,
    );
    let log = cluster.nodes[leader].log();
    let refused = log.change_members(None, change).await.unwrap_err();
    assert_eq!(refusal(refused), Refusal::NoMajority { live: 1, voters: 2 });
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_guard_refuses_stale_and_dangerous_changes() {
    let mut cluster = Cluster::of(3).await;
    let leader = cluster.leader_at().await;
    let stale = cluster.nodes[0].propose("one").await;
    let (down, other) = ((leader + 1) % 3, (leader + 2) % 3);
    let (down_id, other_id) = (cluster.nodes[down].id(), cluster.nodes[other].id());
    let log = cluster.nodes[leader].log().clone();

    let moved = log
        .change_members(Some(stale), remove(down_id))
        .await
        .unwrap_err();
    assert!(matches!(refusal(moved), Refusal::MembershipMoved { .. }));
    let change = set(other_id, cluster.nodes[other].member(2), MemberRole::Voter);
    let epoch = log.change_members(None, change).await.unwrap_err();
    assert_eq!(
        refusal(epoch),
        Refusal::StaleEpoch {
            member: other_id,
            given: 2,
            known: 2
        }
    );
    let elsewhere = cluster.nodes[other]
        .log()
        .change_members(None, remove(down_id))
        .await;
    assert!(matches!(elsewhere, Err(AdminError::NotLeader { .. })));

    cluster.nodes[down].stop().await;
    cluster.nodes[leader]
        .until("misses it", |status| {
            status
                .members
                .iter()
                .any(|member| member.id == down_id && member.reached == Some(false))
        })
        .await;
    // Of the two that would remain, one does not answer.
    let quorum = log
        .change_members(None, remove(other_id))
        .await
        .unwrap_err();
    assert_eq!(refusal(quorum), Refusal::NoMajority { live: 1, voters: 2 });
    log.change_members(None, remove(down_id)).await.unwrap();
    cluster.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_node_of_another_cluster_is_not_taken_in() {
    let cluster = Cluster::of(1).await;
    let mut stranger = TestNode::start(Limits::default()).await;
    stranger.log().bootstrap(ClusterId([8; 16])).await.unwrap();
    stranger
        .until("leads its own", |status| status.role == Role::Leader)
        .await;
    cluster.learn(&stranger).await;
    cluster.nodes[0]
        .until("refuses it", |status| status.counters.hellos_refused > 0)
        .await;
    let status = stranger.log().status();
    assert_eq!(status.role, Role::Leader);
    let member = cluster.nodes[0].log().status().members;
    assert!(
        member
            .iter()
            .any(|member| member.id == status.member && !member.caught_up)
    );
    cluster.stop().await;
    stranger.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_removed_hands_over_and_steps_down() {
    let mut cluster = Cluster::of(3).await;
    cluster.nodes[0].propose("one").await;
    let leaving = cluster.leader_at().await;
    let id = cluster.nodes[leaving].id();
    cluster.nodes[leaving]
        .until("all are caught up", |s| {
            s.members.iter().all(|member| member.caught_up)
        })
        .await;
    cluster.nodes[leaving]
        .log()
        .change_members(None, remove(id))
        .await
        .unwrap();
    let status = cluster.nodes[leaving]
        .until("steps down", |s| s.role != Role::Leader)
        .await;
    assert!(status.removed.contains(&id) || !status.members.iter().any(|member| member.id == id));
    cluster.nodes[leaving].stop().await;
    cluster.leader().await.propose("two").await;
    assert_eq!(cluster.agree().await, ["one", "two"]);
    cluster.stop().await;
}
