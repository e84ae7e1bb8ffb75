//! The hashes by which members compare what they have.

use node_api::etcd::etcdserverpb::{HashKvRequest, HashRequest};

use super::gateway::post;
use super::{Clients, put};
use crate::cluster::Cluster;

/// What etcd answered, see there.
const OF_ETCD: &str = include_str!("../../../testdata/hashkv-etcd-3.7.3.txt");

/// An answer without what no two clusters have in common.
fn shown(answer: &str) -> String {
    let mut answer: serde_json::Value = serde_json::from_str(answer).unwrap();
    let fields = answer.as_object_mut().unwrap();
    if let Some(header) = fields.remove("header") {
        fields.insert("revision".to_owned(), header["revision"].clone());
    }
    answer.to_string()
}

#[tokio::test]
async fn the_hash_of_a_history_is_the_one_that_etcd_gives() {
    let cluster = Cluster::form(1).await;
    let address = &cluster.nodes[0].bound.etcd;
    let lines = OF_ETCD.lines().filter(|line| !line.starts_with('#'));
    let (mut answer, mut compared) = (String::new(), 0);
    for line in lines {
        if let Some(expected) = line.strip_prefix("= ") {
            assert_eq!(shown(&answer), shown(expected), "answer {compared}");
            compared += 1;
            continue;
        }
        let (path, body) = line.split_once(' ').unwrap();
        let (_, body) = post(address, path, body).await;
        answer = body;
    }
    assert!(compared > 12, "{compared}");
}

#[tokio::test]
async fn members_have_equal_hashes() {
    let cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    for number in 0..20 {
        let put = put(&format!("k{}", number % 5), &number.to_string());
        clients[number % 3].put(put).await.unwrap();
    }
    cluster.until_digests_agree(&[0, 1, 2]).await;
    let (mut of_keys, mut of_states) = (Vec::new(), Vec::new());
    for client in &clients {
        let mut client = client.maintenance.clone();
        let answer = client.hash_kv(HashKvRequest { revision: 15 }).await;
        let answer = answer.unwrap().into_inner();
        of_keys.push((answer.hash, answer.compact_revision, answer.hash_revision));
        of_states.push(client.hash(HashRequest {}).await.unwrap().into_inner().hash);
    }
    assert_eq!(of_keys[0].1, -1);
    assert_eq!(of_keys[0].2, 15);
    assert!(
        of_keys.windows(2).all(|pair| pair[0] == pair[1]),
        "{of_keys:?}"
    );
    assert!(
        of_states.windows(2).all(|pair| pair[0] == pair[1]),
        "{of_states:?}"
    );
}
