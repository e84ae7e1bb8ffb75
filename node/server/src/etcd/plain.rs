//! What is asked for over HTTP/1 on etcd's port, and what nobody answers.

use axum::body::Body;
use axum::extract::{RawQuery, Request, State};
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use node_engines::kv::AlarmKind;
use serde::Serialize;
use tonic::Status;
use tonic::service::Routes;

use super::calls::Places;
use super::maintenance::{CLUSTER_VERSION, VERSION, alarm_name};
use super::service::Etcd;
use super::{callers, gateway};
use crate::health;

const TEXT: &str = "text/plain; charset=utf-8";

#[derive(Serialize)]
struct Health {
    health: &'static str,
    reason: String,
}

#[derive(Serialize)]
struct Version {
    etcdserver: &'static str,
    etcdcluster: &'static str,
    storage: &'static str,
}

/// Adds the paths to the routes of gRPC.
pub fn add_to(routes: Routes, etcd: Etcd) -> Routes {
    let plain = axum::Router::new()
        .route("/health", get(healthy))
        .route("/livez", get(alive))
        .route("/readyz", get(ready))
        .route("/metrics", get(metrics))
        .route("/version", get(version))
        .with_state(etcd.clone())
        .fallback(nothing);
    let routes = routes.into_axum_router().reset_fallback();
    let routes = callers::named(routes, etcd);
    let places = Places::new();
    let gateway = gateway::of(routes.clone(), &places);
    let routes = places.bound(routes, Status::into_http);
    routes.merge(gateway).merge(plain).into()
}

/// Whether there is no alarm but those that are left out, and a linearizable read is answered.
async fn healthy(State(etcd): State<Etcd>, RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let left_out = |name: &str| {
        let mut excluded = query
            .split('&')
            .filter_map(|part| part.strip_prefix("exclude="));
        excluded.any(|excluded| excluded == name)
    };
    let alarms = etcd.node.reader().alarms().into_iter();
    let mut names = alarms.map(|alarm| alarm_name(alarm.kind));
    let reason = match names.find(|name| !left_out(name)) {
        Some(name) => Some(format!("ALARM {name}")),
        None => etcd
            .reader(false)
            .await
            .err()
            .map(|error| error.message().to_owned()),
    };
    let (status, health) = match reason {
        None => (StatusCode::OK, "true"),
        Some(_) => (StatusCode::SERVICE_UNAVAILABLE, "false"),
    };
    let reason = reason.unwrap_or_default();
    json(status, &Health { health, reason })
}

/// Whether the node reads what it has.
async fn alive(State(etcd): State<Etcd>) -> Response {
    says(etcd.reader(true).await.err())
}

/// Whether the states of members are equal, as far as an alarm tells, and a linearizable read is answered.
async fn ready(State(etcd): State<Etcd>) -> Response {
    let alarms = etcd.node.reader().alarms();
    if alarms.iter().any(|alarm| alarm.kind == AlarmKind::Corrupt) {
        let reason = "[-]data_corruption failed: alarm activated: CORRUPT\n".to_owned();
        return text(StatusCode::SERVICE_UNAVAILABLE, reason);
    }
    says(etcd.reader(false).await.err())
}

fn says(error: Option<Status>) -> Response {
    match error {
        None => text(StatusCode::OK, "ok\n".to_owned()),
        Some(error) => {
            let reason = format!("[-]read failed: {}\n", error.message());
            text(StatusCode::SERVICE_UNAVAILABLE, reason)
        }
    }
}

async fn metrics(State(etcd): State<Etcd>) -> Response {
    health::metrics(&etcd.node).map(Body::new)
}

async fn version() -> Response {
    let version = Version {
        etcdserver: VERSION,
        etcdcluster: CLUSTER_VERSION,
        storage: CLUSTER_VERSION,
    };
    json(StatusCode::OK, &version)
}

/// A method that is not served is said to be unknown, a path that is none is not found.
async fn nothing(request: Request) -> Response {
    let asks_grpc = request
        .headers()
        .get(CONTENT_TYPE)
        .is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if !asks_grpc {
        return text(StatusCode::NOT_FOUND, "404 page not found\n".to_owned());
    }
    let path = request.uri().path().trim_start_matches('/');
    let service = path.split('/').next().unwrap_or_default();
    Status::unimplemented(format!("unknown service {service}")).into_http()
}

fn text(status: StatusCode, text: String) -> Response {
    (status, [(CONTENT_TYPE, TEXT)], text).into_response()
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> Response {
    match serde_json::to_string(body) {
        Ok(body) => text(status, body),
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, error.to_string()),
    }
}
