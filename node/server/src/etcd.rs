//! The API of etcd, gRPC: its clients work with a cluster as they are.
//!
//! The services decode requests, refuse what etcd refuses, and have the rest done by [`crate::Node`]; errors have etcd's
//! codes and texts. The keys are those that the data interface shows too. `GET /health` and `/version` are answered on the
//! same port.

mod answers;
mod auth;
mod callers;
mod calls;
mod claims;
mod cluster;
mod election;
mod errors;
mod gateway;
mod kv;
mod lease;
mod lock;
mod maintenance;
mod permits;
mod plain;
mod service;
mod steps;
mod watch;

use std::time::Duration;

use node_api::etcd::etcdserverpb::auth_server::AuthServer;
use node_api::etcd::etcdserverpb::cluster_server::ClusterServer;
use node_api::etcd::etcdserverpb::kv_server::KvServer;
use node_api::etcd::etcdserverpb::lease_server::LeaseServer;
use node_api::etcd::etcdserverpb::maintenance_server::MaintenanceServer;
use node_api::etcd::etcdserverpb::watch_server::WatchServer;
use node_api::etcd::v3electionpb::election_server::ElectionServer;
use node_api::etcd::v3lockpb::lock_server::LockServer;
use tokio::net::TcpListener;
use tonic::service::Routes;
use tonic::transport::Server;

use crate::incoming;
pub use crate::incoming::{CertificateName, certificate_name};
use crate::node::Node;
use crate::tls::Tls;
pub(crate) use maintenance::alarm_name;
pub use service::Etcd;

/// Most connections at a time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 4096;
/// Most calls at a time on one connection: clients put all of theirs on one.
const CALLS_PER_CONNECTION_MAX: u32 = 4096;
/// What etcd calls the largest request by default.
const REQUEST_BYTES_MAX: usize = 1536 << 10;
/// What etcd calls the largest message.
const MESSAGE_BYTES_MAX: usize = REQUEST_BYTES_MAX + (512 << 10);
/// What is longer is not read at all.
const READ_BYTES_MAX: usize = 2 * MESSAGE_BYTES_MAX;
/// How many read the whole state at a time; others wait.
const LONG_READS_MAX: usize = 2;
/// A connection whose other end does not answer for so long is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Serves etcd's API on `listener` until `stop`, with TLS where there is one; returns when every call that had begun is
/// answered. Fails only if the listener does.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    tls: Option<Tls>,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    // The listener has an address for as long as it is bound.
    let port = listener.local_addr().map_or(0, |address| address.port());
    let scheme = if tls.is_some() { "https" } else { "http" };
    let current = tls.as_ref().map(Tls::current);
    let incoming = incoming::bounded(listener, CONNECTIONS_MAX, current);
    let served = Server::builder()
        .accept_http1(true)
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .add_routes(routes(Etcd::new(node, scheme, port)))
        .serve_with_incoming_shutdown(incoming, stop);
    let Some(tls) = tls else {
        return served.await;
    };
    tokio::select! {
        served = served => served,
        never = tls.renew() => match never {},
    }
}

fn routes(etcd: Etcd) -> Routes {
    let kv = KvServer::new(etcd.clone()).max_decoding_message_size(READ_BYTES_MAX);
    let watch = WatchServer::new(etcd.clone()).max_decoding_message_size(READ_BYTES_MAX);
    let routes = Routes::new(kv)
        .add_service(watch)
        .add_service(LeaseServer::new(etcd.clone()))
        .add_service(ClusterServer::new(etcd.clone()))
        .add_service(MaintenanceServer::new(etcd.clone()))
        .add_service(AuthServer::new(etcd.clone()))
        .add_service(LockServer::new(etcd.clone()))
        .add_service(ElectionServer::new(etcd.clone()));
    plain::add_to(routes, etcd)
}
