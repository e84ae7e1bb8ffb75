//! A node behind its fence.

use node_api::proto::{Membership, Role};
use node_api::{Consistency, DataError, ErrorCode};

use crate::cluster::Cluster;
use crate::deadline::{check, eventually};
use crate::requests::ask;
use crate::writer::{Writer, assert_all_there};

/// What every client of a fenced node hears.
fn is_turned_away(answer: &str) {
    assert!(answer.starts_with("HTTP/1.1 503"), "{answer}");
    for said in ["\"unavailable\"", "fenced", "ask another node"] {
        assert!(answer.contains(said), "{said} is not in {answer}");
    }
}

async fn is_fenced(cluster: &Cluster, node: usize) {
    let bound = &cluster.nodes[node].bound;
    for (method, target) in [
        ("GET", "/db/k"),
        ("GET", "/db/k?consistency=local"),
        ("PUT", "/db/k"),
        ("DELETE", "/db/k"),
        ("GET", "/db?prefix=k"),
    ] {
        is_turned_away(&ask(&bound.http, method, target).await);
    }
    let ready = ask(&bound.metrics, "GET", "/readyz").await;
    assert!(
        ready.starts_with("HTTP/1.1 503") && ready.contains("fenced: "),
        "{ready}"
    );
    for (address, target, said) in [
        (&bound.metrics, "/livez", "ok"),
        (&bound.metrics, "/metrics", "kluster_fenced 1"),
        (&bound.http, "/cluster", "fenced: "),
    ] {
        let answer = ask(address, "GET", target).await;
        assert!(
            answer.starts_with("HTTP/1.1 200") && answer.contains(said),
            "{answer}"
        );
    }
    let status = cluster.status(node).await;
    assert!(status.fenced && !status.ready, "{status:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_fenced_node_leaves_the_vote_keeps_its_disk_and_comes_back() {
    let mut cluster = Cluster::form(3).await;
    let mut data = cluster.nodes[0].data();
    data.put(b"k", "v".into(), &Default::default())
        .await
        .unwrap();
    let writer = Writer::start(&cluster, "fenced/");
    writer.until_more(30).await;
    let fenced = (cluster.leader().await + 1) % 3;
    let id = cluster.status(fenced).await.member_id;
    let set = async |cluster: &Cluster, up: bool| {
        let admin = cluster.nodes[fenced].admin().await.unwrap();
        admin.set_fence(up).await.unwrap();
    };

    // Twice, as an agent does that lost the answer.
    set(&cluster, true).await;
    set(&cluster, true).await;
    is_fenced(&cluster, fenced).await;
    writer.until_more(30).await;
    match cluster.nodes[fenced]
        .data()
        .get(b"k", &Consistency::Local)
        .await
    {
        Err(DataError::Unavailable {
            code: Some(ErrorCode::Unavailable),
            ..
        }) => {}
        other => panic!("{other:?}"),
    }

    // The vote goes, the log stays.
    cluster.make(fenced, Membership::Learner, 3).await;
    eventually("a learner", async || {
        let role = cluster.try_status(fenced).await?.role();
        check(role == Role::Learner, || format!("{role:?}"))
    })
    .await;
    let leading = cluster.leading().await.unwrap();
    let members = leading.confirmed_status().await.unwrap().members;
    let member = members.iter().find(|member| member.id == id).unwrap();
    assert_eq!((member.voter, member.epoch), (false, 3));

    // There is nobody to ask when it starts, and it stays fenced.
    cluster.nodes[fenced].kill();
    writer.until_more(30).await;
    cluster.nodes[fenced].start();
    is_fenced(&cluster, fenced).await;
    assert_eq!(cluster.status(fenced).await.member_id, id);

    eventually("a voter again", async || {
        let status = cluster.leading().await?.confirmed_status().await;
        let members = status.map_err(|error| error.to_string())?.members;
        let member = members.iter().find(|member| member.id == id);
        check(member.is_some_and(|m| m.caught_up), || {
            "it has not caught up".to_owned()
        })
    })
    .await;
    cluster.make(fenced, Membership::Voter, 4).await;
    set(&cluster, false).await;
    cluster.until_ready(fenced).await;
    let written = writer.stop().await;
    cluster.until_digests_agree(&[0, 1, 2]).await;
    assert_all_there(&mut cluster.nodes[fenced].data(), &written).await;
    let members = cluster.status(fenced).await.members;
    assert!(members.iter().all(|member| member.voter), "{members:?}");
    cluster.nodes[fenced].kill();
    cluster.nodes[fenced].start();
    cluster.until_ready(fenced).await;
    assert!(!cluster.status(fenced).await.fenced);
}
