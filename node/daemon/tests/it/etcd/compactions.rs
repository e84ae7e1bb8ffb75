//! Compactions that a node makes by itself.

use node_api::etcd::Error;
use node_api::etcd::etcdserverpb::RangeRequest;

use super::{Clients, get, put};
use crate::cluster::Cluster;
use crate::deadline::{check, eventually};

#[tokio::test]
async fn what_is_older_than_the_retention_is_compacted() {
    let mut cluster = Cluster::start(0);
    let node = cluster.add_stopped();
    cluster.nodes[node].configure("[kv]\nauto_compaction_retention = \"1s\"\n");
    cluster.nodes[node].start();
    let cluster = cluster.formed().await;
    let clients = Clients::of(&cluster.nodes[0]);
    for value in ["1", "2", "3"] {
        clients.put(put("a", value)).await.unwrap();
    }
    let at = async |revision| {
        let request = RangeRequest {
            revision,
            ..get("a")
        };
        clients.range(request).await
    };
    eventually("a compaction", async || {
        let found = at(3).await;
        let refused = found.as_ref().err().map(tonic::Status::message);
        check(refused == Some(Error::Compacted.message()), || {
            format!("{found:?}")
        })
    })
    .await;
    // What is there is kept, however old it is.
    assert_eq!(at(0).await.unwrap().kvs[0].value, "3");
}
