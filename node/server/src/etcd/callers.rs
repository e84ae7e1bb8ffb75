//! Puts on each request who sent it.

use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;

use super::certificate_name;
use super::service::Etcd;
use crate::access::Caller;

/// The routes of gRPC, whose services find with each request who sent it.
pub fn named(routes: axum::Router, etcd: Etcd) -> axum::Router {
    routes.layer(from_fn_with_state(etcd, name))
}

async fn name(State(etcd): State<Etcd>, mut request: Request, next: Next) -> Response {
    let now = etcd.node.host().clock.wall();
    let tokens = &etcd.node.access().tokens;
    let certificate = certificate_name(request.extensions()).map(|name| name.0.as_str());
    let caller = Caller::of(request.headers(), certificate, tokens, now);
    request.extensions_mut().insert(caller);
    next.run(request).await
}

/// Who sent a request.
pub fn caller<T>(request: &tonic::Request<T>) -> Caller {
    let caller = request.extensions().get::<Caller>();
    caller.cloned().unwrap_or_default()
}

/// A request in the name of a caller.
pub fn in_the_name_of<T>(caller: &Caller, message: T) -> tonic::Request<T> {
    let mut request = tonic::Request::new(message);
    request.extensions_mut().insert(caller.clone());
    request
}
