//! A majority is lost for good; one node begins anew, and the others never disturb it again.

use bytes::Bytes;
use node_api::proto::{RecoverRequest, Role};
use node_api::{CallError, ErrorCode};

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::writer::{Writer, assert_all_there};

async fn recover(
    cluster: &Cluster,
    node: usize,
    request: &RecoverRequest,
) -> Result<u32, CallError> {
    let admin = cluster.nodes[node].admin().await.unwrap();
    admin.recover(request.clone()).await
}

#[track_caller]
fn refused(outcome: Result<u32, CallError>, code: ErrorCode, named: &str) {
    match outcome {
        Err(CallError::Refused {
            code: found,
            message,
            ..
        }) => {
            assert_eq!(found, code, "{message}");
            assert!(message.contains(named), "{message}");
        }
        other => panic!("not refused: {other:?}"),
    }
}

/// What a survivor is asked for, at what it has applied now.
async fn request(cluster: &Cluster, node: usize) -> RecoverRequest {
    let status = cluster.status(node).await;
    RecoverRequest {
        member_id: status.member_id,
        position: status.position,
        acknowledge_loss: true,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn one_of_three_begins_anew_and_the_two_others_come_back_as_new_members() {
    let mut cluster = Cluster::form(3).await;
    let writer = Writer::start(&cluster, "before/");
    writer.until_more(700).await;
    let before = writer.stop().await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    let leader = cluster.leader().await;
    let survivor = (leader + 1) % 3;
    let lost: Vec<usize> = (0..3).filter(|node| *node != survivor).collect();
    let cluster_id = cluster.status(survivor).await.cluster_id;
    let wish = request(&cluster, survivor).await;
    refused(
        recover(&cluster, survivor, &wish).await,
        ErrorCode::Refused,
        "nothing to recover",
    );
    let mut old_ids = Vec::new();
    for node in &lost {
        old_ids.push(cluster.status(*node).await.member_id);
    }
    for node in &lost {
        cluster.nodes[*node].kill();
    }
    eventually("a survivor that hears of nobody", async || {
        let leaderless = cluster.try_status(survivor).await?.leaderless;
        check(leaderless, || "it heard of a leader".to_owned())
    })
    .await;

    the_guards_hold(&cluster, survivor, &wish, old_ids[0]).await;
    assert_eq!(recover(&cluster, survivor, &wish).await.unwrap(), 1);
    cluster.until_ready(survivor).await;
    let status = cluster.status(survivor).await;
    assert_eq!((&status.cluster_id, status.incarnation), (&cluster_id, 1));
    assert!(old_ids.iter().all(|id| status.removed_ids.contains(id)));
    assert_eq!((status.members.len(), status.role()), (1, Role::Leader));
    let mut data = cluster.nodes[survivor].data();
    assert_all_there(&mut data, &before).await;
    let options = Default::default();
    let put = data.put(b"after", Bytes::from("anew"), &options);
    let position = put.await.unwrap().position.to_string();
    assert!(position.starts_with("0.1."), "{position}");
    // The wish stays where it was written: it is not obeyed again.
    refused(
        recover(&cluster, survivor, &wish).await,
        ErrorCode::Refused,
        "incarnation",
    );

    // They are a majority of the membership on their disks. Each of them ends, so that it is started anew.
    for node in &lost {
        cluster.nodes[*node].start();
    }
    for (node, old_id) in lost.iter().zip(&old_ids) {
        assert!(!cluster.nodes[*node].wait().success());
        let log = cluster.nodes[*node].log();
        assert!(log.contains("began anew"), "{log}");
        cluster.nodes[*node].start();
        let fresh = cluster.status(*node).await;
        assert_ne!(fresh.member_id, *old_id);
        assert!(fresh.cluster_id.is_empty());
        let aside = cluster.nodes[*node]
            .data_dir()
            .join(format!("set-aside-{old_id:016x}"));
        assert!(aside.join("identity").exists());
    }
    for node in &lost {
        cluster.join(*node).await;
    }
    let writer = Writer::start(&cluster, "later/");
    writer.until_more(100).await;
    let later = writer.stop().await;
    for node in 0..3 {
        cluster.until_ready(node).await;
        assert_eq!(cluster.status(node).await.incarnation, 1);
    }
    cluster.until_digests_agree(&[0, 1, 2]).await;
    for node in &cluster.nodes {
        assert_all_there(&mut node.data(), &before).await;
        assert_all_there(&mut node.data(), &later).await;
    }
}

async fn the_guards_hold(cluster: &Cluster, survivor: usize, wish: &RecoverRequest, other: u64) {
    let careless = RecoverRequest {
        acknowledge_loss: false,
        ..wish.clone()
    };
    let elsewhere = RecoverRequest {
        member_id: other,
        ..wish.clone()
    };
    let at = |position: &str| RecoverRequest {
        position: position.to_owned(),
        ..wish.clone()
    };
    for (request, code, named) in [
        (careless, ErrorCode::Refused, "acknowledged"),
        (elsewhere, ErrorCode::Refused, "not"),
        (at("0.0.99999999"), ErrorCode::Refused, "another node"),
        (at("0.1.5"), ErrorCode::Refused, "incarnation"),
        (at("1.0.5"), ErrorCode::BadRequest, "log"),
        (at("latest"), ErrorCode::BadRequest, "position"),
    ] {
        refused(recover(cluster, survivor, &request).await, code, named);
    }
    assert_eq!(cluster.status(survivor).await.incarnation, 0);
}
