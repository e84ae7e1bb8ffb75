//! Locks and elections: one at a time, in the order in which they came.

use std::time::Duration;

use futures::StreamExt;
use node_api::etcd::etcdserverpb::LeaseRevokeRequest;
use node_api::etcd::v3electionpb::{
    CampaignRequest, LeaderKey, LeaderRequest, ProclaimRequest, ResignRequest,
};
use node_api::etcd::v3lockpb::{LockRequest, UnlockRequest};
use tokio::time::{sleep, timeout};

use super::{Clients, bytes, prefix};
use crate::cluster::Cluster;
use crate::deadline::LONG;

const SOON: Duration = Duration::from_millis(300);

impl Clients {
    async fn lock(&self, name: &str, lease: i64) -> bytes::Bytes {
        let request = LockRequest {
            name: bytes(name),
            lease,
        };
        let locked = self.lock.clone().lock(request).await.unwrap();
        locked.into_inner().key
    }

    async fn campaign(&self, name: &str, lease: i64, value: &str) -> LeaderKey {
        let request = CampaignRequest {
            name: bytes(name),
            lease,
            value: bytes(value),
        };
        let elected = self.election.clone().campaign(request).await.unwrap();
        elected.into_inner().leader.unwrap()
    }
}

#[tokio::test]
async fn a_lock_is_held_by_one_and_passed_on_in_order() {
    let cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    let [a, b, c, d] = [0, 1, 2, 0].map(|node: usize| clients[node].clone());
    let first = a.lock("job", 0).await;
    let lease = b.grant(60).await;
    let waiting = |who: &Clients, lease| {
        let who = who.clone();
        tokio::spawn(async move { who.lock("job", lease).await })
    };
    let second = waiting(&b, lease);
    sleep(SOON).await;
    let gone = waiting(&c, 0);
    sleep(SOON).await;
    let last = waiting(&d, 0);
    sleep(SOON).await;
    assert!(!second.is_finished() && !last.is_finished());

    // Whoever gives up waiting leaves nothing behind.
    assert_eq!(a.range(prefix("job/")).await.unwrap().count, 4);
    gone.abort();
    timeout(LONG, async {
        while a.range(prefix("job/")).await.unwrap().count != 3 {
            sleep(SOON).await;
        }
    })
    .await
    .unwrap();

    a.lock
        .clone()
        .unlock(UnlockRequest { key: first })
        .await
        .unwrap();
    timeout(LONG, second).await.unwrap().unwrap();
    sleep(SOON).await;
    assert!(!last.is_finished());
    // A lease that ends lets go of what was locked with it.
    b.lease
        .clone()
        .lease_revoke(LeaseRevokeRequest { id: lease })
        .await
        .unwrap();
    timeout(LONG, last).await.unwrap().unwrap();
}

#[tokio::test]
async fn an_election_has_one_leader_whom_observers_follow() {
    let cluster = Cluster::form(3).await;
    let clients: Vec<_> = cluster.nodes.iter().map(Clients::of).collect();
    let name = || LeaderRequest {
        name: bytes("boss"),
    };
    let nobody = clients[2]
        .election
        .clone()
        .leader(name())
        .await
        .unwrap_err();
    assert_eq!(nobody.message(), "election: no leader");
    let observed = clients[2].election.clone().observe(name()).await.unwrap();
    let mut observed = observed.into_inner();
    let mut next = async || {
        let response = timeout(LONG, observed.next())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        String::from_utf8(response.kv.unwrap().value.to_vec()).unwrap()
    };

    let first = clients[0].campaign("boss", 0, "a").await;
    assert_eq!(next().await, "a");
    let (rival, lease) = (clients[1].clone(), clients[1].grant(60).await);
    let second = tokio::spawn(async move { rival.campaign("boss", lease, "b").await });
    let proclaim = |leader: &LeaderKey, value: &str| ProclaimRequest {
        leader: Some(leader.clone()),
        value: bytes(value),
    };
    let mut election = clients[0].election.clone();
    election.proclaim(proclaim(&first, "a2")).await.unwrap();
    assert_eq!(next().await, "a2");
    sleep(SOON).await;
    assert!(!second.is_finished());
    let leads = clients[2].election.clone().leader(name()).await.unwrap();
    assert_eq!(leads.into_inner().kv.unwrap().value, "a2");

    let resign = ResignRequest {
        leader: Some(first.clone()),
    };
    election.resign(resign).await.unwrap();
    timeout(LONG, second).await.unwrap().unwrap();
    assert_eq!(next().await, "b");
    let late = election.proclaim(proclaim(&first, "a3")).await.unwrap_err();
    assert_eq!(late.message(), "election: not leader");
    let none = ProclaimRequest::default();
    let none = election.proclaim(none).await.unwrap_err();
    assert_eq!(none.message(), "\"leader\" field must be provided");
}
