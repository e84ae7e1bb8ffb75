//! The data interface: keys over HTTP.
//!
//! `GET`, `PUT`, `POST` and `DELETE` of `/db/<key>` (the rest of the path, percent-decoded: any bytes), `GET /db` for a list
//! by prefix, `GET /cluster` for who is in the cluster, as HTTP/1.1; a connection that begins with HTTP/2 brings streams of
//! writes (gRPC). Every node answers everything. Errors are JSON. A user is
//! known by its token (`Authorization: Bearer`). What this does not do: it knows nothing of the log; TLS is not here yet.

mod answer;
mod body;
mod cluster;
mod page;
mod parse;
#[cfg(test)]
mod position_tests;
mod service;
mod writes;

pub use cluster::role_name;
pub(crate) use writes::Service as StreamService;

use std::sync::Arc;

use tokio::net::TcpListener;

use crate::connections;
use crate::node::Node;

/// Most connections at a time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: u32 = 4096;

/// Serves the data interface on `listener` until `stop`; returns when every request that had begun is answered.
pub async fn serve(node: Node, listener: TcpListener, stop: impl Future<Output = ()>) {
    let room = Arc::new(service::Room::default());
    let streams = Some(writes::service(node.clone()));
    let service = move |request| service::answer(node.clone(), room.clone(), request);
    connections::serve(listener, CONNECTIONS_MAX, stop, service, streams).await;
}
