//! Clients of etcd.

mod alarms;
mod auth;
mod claims;
mod compactions;
mod gateway;
mod half_open;
mod hashes;
mod imports;
mod keys;
mod leases;
mod origin;
mod secure;
mod tls;
mod watches;

use bytes::Bytes;
use node_api::etcd::etcdserverpb::kv_client::KvClient;
use node_api::etcd::etcdserverpb::lease_client::LeaseClient;
use node_api::etcd::etcdserverpb::maintenance_client::MaintenanceClient;
use node_api::etcd::etcdserverpb::watch_client::WatchClient;
use node_api::etcd::etcdserverpb::{PutRequest, PutResponse, RangeRequest, RangeResponse};
use node_api::etcd::v3electionpb::election_client::ElectionClient;
use node_api::etcd::v3lockpb::lock_client::LockClient;
use tonic::transport::Channel;

use crate::process::Node;

/// The clients of one node.
#[derive(Clone)]
struct Clients {
    kv: KvClient<Channel>,
    watch: WatchClient<Channel>,
    lease: LeaseClient<Channel>,
    maintenance: MaintenanceClient<Channel>,
    lock: LockClient<Channel>,
    election: ElectionClient<Channel>,
}

impl Clients {
    /// Connects when it is first used, and again after each break.
    fn of(node: &Node) -> Clients {
        let endpoint = Channel::from_shared(format!("http://{}", node.bound.etcd)).unwrap();
        Clients::over(endpoint.connect_lazy())
    }

    fn over(channel: Channel) -> Clients {
        Clients {
            kv: KvClient::new(channel.clone()),
            watch: WatchClient::new(channel.clone()),
            lease: LeaseClient::new(channel.clone()),
            maintenance: MaintenanceClient::new(channel.clone()),
            lock: LockClient::new(channel.clone()),
            election: ElectionClient::new(channel),
        }
    }

    async fn put(&self, request: PutRequest) -> Result<PutResponse, tonic::Status> {
        let response = self.kv.clone().put(request).await?;
        Ok(response.into_inner())
    }

    async fn range(&self, request: RangeRequest) -> Result<RangeResponse, tonic::Status> {
        let response = self.kv.clone().range(request).await?;
        Ok(response.into_inner())
    }
}

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

fn put(key: &str, value: &str) -> PutRequest {
    PutRequest {
        key: bytes(key),
        value: bytes(value),
        ..PutRequest::default()
    }
}

fn get(key: &str) -> RangeRequest {
    RangeRequest {
        key: bytes(key),
        ..RangeRequest::default()
    }
}

/// A range that begins with a prefix of ASCII.
fn prefix(prefix: &str) -> RangeRequest {
    let mut end = prefix.as_bytes().to_vec();
    *end.last_mut().unwrap() += 1;
    RangeRequest {
        range_end: end.into(),
        ..get(prefix)
    }
}
