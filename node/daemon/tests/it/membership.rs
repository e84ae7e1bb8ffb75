//! Nodes join and leave.

use std::path::Path;

use node_api::proto::{ChangeMemberRequest, Membership, Role};
use node_api::{AdminClient, CallError, ErrorCode};

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::writer::{Writer, assert_all_there};

#[tokio::test(flavor = "multi_thread")]
async fn a_node_joins_serves_leaves_and_comes_back_under_a_new_id() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "joined/");
    // Past a snapshot: the new one needs it.
    writer.until_more(1200).await;
    let fourth = cluster.add();
    cluster.make(fourth, Membership::Learner, 1).await;
    eventually("a learner", async || {
        let role = cluster.try_status(fourth).await?.role();
        check(role == Role::Learner, || format!("{role:?}"))
    })
    .await;
    cluster.make(fourth, Membership::Voter, 2).await;
    cluster.until_ready(fourth).await;
    let old_id = cluster.status(fourth).await.member_id;

    let removal = ChangeMemberRequest {
        member_id: old_id,
        membership: Membership::Removed.into(),
        ..ChangeMemberRequest::default()
    };
    cluster.nodes[fourth].kill();
    cluster.change(removal).await;
    let status = cluster.status(0).await;
    assert!(status.members.iter().all(|member| member.id != old_id));
    assert!(status.removed_ids.contains(&old_id));

    // It was away when it was removed: it learns of it, and ends so that it is started anew.
    cluster.nodes[fourth].start();
    let ended = cluster.nodes[fourth].wait();
    assert!(!ended.success());
    assert!(
        cluster.nodes[fourth].log().contains("was removed"),
        "{}",
        cluster.nodes[fourth].log()
    );
    cluster.nodes[fourth].start();
    let fresh = cluster.status(fourth).await;
    assert_ne!(fresh.member_id, old_id);
    assert!(fresh.cluster_id.is_empty());
    let aside = cluster.nodes[fourth]
        .data_dir()
        .join(format!("set-aside-{old_id:016x}"));
    assert!(aside.join("identity").exists());

    cluster.join(fourth).await;
    cluster.until_ready(fourth).await;
    let written = writer.stop().await;
    cluster.until_digests_agree(&[0, 1, 2, fourth]).await;
    assert_all_there(&mut cluster.nodes[fourth].data(), &written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_node_that_lost_what_it_acknowledged_is_refused_set_aside_and_begins_anew() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "lost/");
    writer.until_more(50).await;
    let behind = (cluster.leader().await + 1) % 3;
    let old_id = cluster.status(behind).await.member_id;
    cluster.nodes[behind].kill();
    let copy = tempfile::tempdir().unwrap();
    let (data, older) = (cluster.nodes[behind].data_dir(), copy.path().join("data"));
    copy_folder(&data, &older);
    cluster.nodes[behind].start();
    cluster.until_ready(behind).await;
    writer.until_more(300).await;
    cluster.nodes[behind].kill();
    std::fs::remove_dir_all(&data).unwrap();
    copy_folder(&older, &data);

    cluster.nodes[behind].start();
    let ended = cluster.nodes[behind].wait();
    let log = cluster.nodes[behind].log();
    assert!(!ended.success(), "{log}");
    assert!(
        log.contains("ends before what it once acknowledged"),
        "{log}"
    );
    cluster.nodes[behind].start();
    let fresh = cluster.status(behind).await;
    assert_ne!(fresh.member_id, old_id);
    assert!(fresh.cluster_id.is_empty());
    let log = cluster.nodes[behind].log();
    assert!(log.contains("a member that lost its log"), "{log}");
    let aside = data.join(format!("set-aside-{old_id:016x}"));
    assert!(aside.join("identity").exists());

    cluster.join(behind).await;
    let removal = ChangeMemberRequest {
        member_id: old_id,
        membership: Membership::Removed.into(),
        ..ChangeMemberRequest::default()
    };
    cluster.change(removal).await;
    cluster.until_ready(behind).await;
    let written = writer.stop().await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    assert_all_there(&mut cluster.nodes[behind].data(), &written).await;
}

fn copy_folder(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_folder(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_removed_leader_gives_way() {
    let cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "gives-way/");
    writer.until_more(20).await;
    let leader = cluster.leader().await;
    let id = cluster.status(leader).await.member_id;
    let removal = ChangeMemberRequest {
        member_id: id,
        membership: Membership::Removed.into(),
        ..ChangeMemberRequest::default()
    };
    cluster.change(removal).await;
    eventually("the removed node to say so", async || {
        let status = cluster.try_status(leader).await?;
        check(
            !status.ready && status.not_ready_reason.contains("removed"),
            || format!("{:?} {}", status.role(), status.not_ready_reason),
        )
    })
    .await;
    let written = writer.stop().await;
    let others: Vec<usize> = (0..3).filter(|node| *node != leader).collect();
    cluster.until_digests_agree(&others).await;
    assert_all_there(&mut cluster.nodes[others[0]].data(), &written).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn leadership_goes_where_it_is_sent() {
    let cluster = Cluster::form(3).await;
    for _ in 0..3 {
        let to = (cluster.leader().await + 1) % 3;
        let id = cluster.status(to).await.member_id;
        // Where a third stands at the same time and wins, it is asked again.
        eventually("the new leader", async || {
            let leader = cluster.leader().await;
            if leader == to {
                return Ok(());
            }
            let admin = cluster.nodes[leader].admin().await?;
            let asked = admin.transfer_leadership(Some(id)).await;
            asked.map_err(|error| error.to_string())?;
            Err("it does not lead".to_owned())
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn wishes_that_cannot_be_are_refused_and_change_nothing() {
    let mut cluster = Cluster::start(2);
    let (first, second) = (cluster.status(0).await, cluster.status(1).await);
    let admin = cluster.nodes[0].admin().await.unwrap();
    let refused = |outcome: Result<(), CallError>, code: ErrorCode, named: &str| match outcome {
        Err(CallError::Refused {
            code: found,
            message,
            ..
        }) => {
            assert_eq!(found, code, "{message}");
            assert!(message.contains(named), "{message}");
        }
        other => panic!("not refused: {other:?}"),
    };
    let bootstrap =
        async |admin: &AdminClient, id, voters| admin.bootstrap(id, voters).await.map(|_| ());
    refused(
        bootstrap(&admin, second.member_id, 3).await,
        ErrorCode::Refused,
        "not",
    );
    refused(
        bootstrap(&admin, first.member_id, 0).await,
        ErrorCode::BadRequest,
        "1 to 7",
    );
    assert!(cluster.status(0).await.cluster_id.is_empty());
    bootstrap(&admin, first.member_id, 1).await.unwrap();
    refused(
        bootstrap(&admin, first.member_id, 1).await,
        ErrorCode::Refused,
        "already",
    );

    let voter_at_once = ChangeMemberRequest {
        member_id: second.member_id,
        membership: Membership::Voter.into(),
        peer_address: second.peer_address.clone(),
        key: second.public_key.clone(),
        epoch: 1,
        expected_membership: None,
    };
    let change = async |request| admin.change_member(request).await.map(|_| ());
    refused(
        change(voter_at_once.clone()).await,
        ErrorCode::Refused,
        "not a learner",
    );
    let last_out = ChangeMemberRequest {
        member_id: first.member_id,
        membership: Membership::Removed.into(),
        ..ChangeMemberRequest::default()
    };
    refused(change(last_out).await, ErrorCode::Refused, "voter");
    let vague = ChangeMemberRequest {
        membership: 0,
        ..voter_at_once
    };
    refused(
        change(vague).await,
        ErrorCode::BadRequest,
        "nothing was said",
    );
    cluster.make(1, Membership::Learner, 5).await;
    let id = cluster.status(1).await.member_id;
    let stale = ChangeMemberRequest {
        member_id: id,
        membership: Membership::Voter.into(),
        peer_address: second.peer_address,
        key: second.public_key,
        epoch: 5,
        expected_membership: None,
    };
    refused(change(stale).await, ErrorCode::Refused, "epoch");

    let other = AdminClient::connect(&cluster.nodes[0].bound.admin, &[7; 40]).await;
    assert!(matches!(other, Err(CallError::WrongKey { .. })));
    cluster.nodes[1].kill();
}
