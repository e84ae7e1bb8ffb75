//! Leases: they live as long as they are kept alive, whoever leads, and take their keys along.

use std::time::{Duration, Instant};

use futures::StreamExt;
use node_api::etcd::etcdserverpb::{
    LeaseGrantRequest, LeaseKeepAliveRequest, LeaseLeasesRequest, LeaseRevokeRequest,
    LeaseTimeToLiveRequest, LeaseTimeToLiveResponse, PutRequest,
};
use tokio::time::sleep;

use super::{Clients, get, put};
use crate::cluster::Cluster;
use crate::deadline::LONG;

impl Clients {
    pub async fn grant(&self, ttl: i64) -> i64 {
        let request = LeaseGrantRequest { ttl, id: 0 };
        let granted = self.lease.clone().lease_grant(request).await.unwrap();
        let granted = granted.into_inner();
        assert_eq!(granted.ttl, ttl);
        granted.id
    }

    async fn attach(&self, key: &str, lease: i64) {
        let request = PutRequest {
            lease,
            ..put(key, "v")
        };
        self.put(request).await.unwrap();
    }

    /// Keeps a lease alive once; gives its time to live, 0 where there is none.
    async fn keep_alive(&self, id: i64) -> Result<i64, tonic::Status> {
        let requests = futures::stream::iter([LeaseKeepAliveRequest { id }]);
        let answers = self.lease.clone().lease_keep_alive(requests).await?;
        let answer = answers.into_inner().next().await.unwrap()?;
        Ok(answer.ttl)
    }

    async fn left(&self, id: i64) -> LeaseTimeToLiveResponse {
        let request = LeaseTimeToLiveRequest { id, keys: true };
        let left = self.lease.clone().lease_time_to_live(request).await;
        left.unwrap().into_inner()
    }

    async fn is_there(&self, key: &str) -> bool {
        self.range(get(key)).await.unwrap().count == 1
    }
}

#[tokio::test]
async fn a_lease_lives_while_any_node_keeps_it_alive_and_ends_with_its_keys() {
    let cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    let lease = clients[0].grant(2).await;
    clients[1].attach("a", lease).await;
    clients[2].attach("b", lease).await;
    let left = clients[1].left(lease).await;
    assert_eq!(left.keys, ["a", "b"]);
    assert_eq!(left.granted_ttl, 2);
    let begun = Instant::now();
    for turn in (0..3).cycle() {
        if begun.elapsed() > Duration::from_secs(5) {
            break;
        }
        assert_eq!(clients[turn].keep_alive(lease).await.unwrap(), 2);
        sleep(Duration::from_millis(300)).await;
    }
    assert!(clients[0].is_there("a").await);
    let alone = Instant::now();
    while clients[0].is_there("a").await || clients[0].is_there("b").await {
        assert!(alone.elapsed() < LONG);
        sleep(Duration::from_millis(50)).await;
    }
    assert!(
        alone.elapsed() > Duration::from_millis(1_500),
        "it ended early"
    );
    assert_eq!(clients[1].keep_alive(lease).await.unwrap(), 0);
    assert_eq!(clients[1].left(lease).await.ttl, -1);
    // Both went with one revision.
    let header = clients[0].range(get("a")).await.unwrap().header.unwrap();
    assert_eq!(header.revision, 4);
}

#[tokio::test]
async fn a_lease_that_was_kept_alive_outlives_the_leader() {
    let mut cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    let lease = clients[0].grant(3).await;
    clients[0].attach("k", lease).await;
    for _ in 0..2 {
        let victim = cluster.leader().await;
        sleep(Duration::from_millis(2_000)).await;
        let before = Instant::now();
        let survivor = (victim + 1) % 3;
        assert_eq!(clients[survivor].keep_alive(lease).await.unwrap(), 3);
        cluster.nodes[victim].kill();
        // Nobody kept it alive since: it has the full time again with whoever leads now.
        while before.elapsed() < Duration::from_millis(2_900) {
            if let Ok(found) = clients[survivor].range(get("k")).await {
                let after = before.elapsed();
                assert!(found.count == 1 || after > Duration::from_millis(2_900));
            }
            sleep(Duration::from_millis(50)).await;
        }
        assert_eq!(clients[survivor].keep_alive(lease).await.unwrap(), 3);
        cluster.nodes[victim].start();
        cluster.until_ready(victim).await;
    }
}

#[tokio::test]
async fn leases_have_etcds_answers() {
    let cluster = Cluster::form(1).await;
    let clients = Clients::of(&cluster.nodes[0]);
    let mut lease = clients.lease.clone();
    let grant = |id, ttl| LeaseGrantRequest { id, ttl };
    let given = lease.lease_grant(grant(7, 60)).await.unwrap().into_inner();
    assert_eq!((given.id, given.ttl), (7, 60));
    let again = lease.lease_grant(grant(7, 60)).await.unwrap_err();
    assert_eq!(again.message(), "etcdserver: lease already exists");
    let long = lease
        .lease_grant(grant(8, 9_000_000_001))
        .await
        .unwrap_err();
    assert_eq!(long.message(), "etcdserver: too large lease TTL");
    let all = lease.lease_leases(LeaseLeasesRequest {}).await.unwrap();
    let all: Vec<i64> = all
        .into_inner()
        .leases
        .iter()
        .map(|lease| lease.id)
        .collect();
    assert_eq!(all, [7]);
    clients.attach("k", 7).await;
    lease
        .lease_revoke(LeaseRevokeRequest { id: 7 })
        .await
        .unwrap();
    assert!(!clients.is_there("k").await);
    let gone = lease
        .lease_revoke(LeaseRevokeRequest { id: 7 })
        .await
        .unwrap_err();
    assert_eq!(gone.message(), "etcdserver: requested lease not found");
}
