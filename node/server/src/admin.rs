//! The admin interface, gRPC: whoever proves the cluster key administers the node.
//!
//! A caller asks for a nonce, proves the key with it, and gets a session for an hour. What the calls do, and their guards,
//! is in [`crate::Node`]; here they are only decoded, and refusals encoded.

mod answers;
mod changes;
mod convert;
mod service;
mod sessions;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_api::proto::admin_server::AdminServer;
use node_replication::ClusterKey;
use tokio::net::TcpListener;
use tonic::transport::Server;

use crate::incoming;
use crate::node::Node;
pub use convert::{Roster, member_wish, node_status};
use service::Service;
use sessions::Sessions;

/// Most connections at a time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: usize = 256;
/// Most calls at a time on one connection.
const CALLS_PER_CONNECTION_MAX: u32 = 64;
/// No request is longer.
const REQUEST_BYTES_MAX: usize = 64 << 10;
/// A connection whose other end does not answer for so long is closed.
const KEEP_ALIVE: Duration = Duration::from_secs(20);

/// Serves the admin interface on `listener` until `stop`; returns when every call that had begun is answered. Fails only if
/// the listener does.
pub async fn serve(
    node: Node,
    listener: TcpListener,
    cluster_key: ClusterKey,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let sessions = Arc::new(Mutex::new(Sessions::default()));
    let service = AdminServer::new(Service {
        node,
        cluster_key,
        sessions,
    })
    .max_decoding_message_size(REQUEST_BYTES_MAX);
    Server::builder()
        .max_concurrent_streams(CALLS_PER_CONNECTION_MAX)
        .http2_keepalive_interval(Some(KEEP_ALIVE))
        .add_service(service)
        .serve_with_incoming_shutdown(incoming::bounded(listener, CONNECTIONS_MAX, None), stop)
        .await
}
