//! What is asked for over HTTP/1 on etcd's port.

use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::IntoResponse;
use axum::routing::get;
use serde::Serialize;
use tonic::service::Routes;

use super::maintenance::VERSION;
use super::service::Etcd;

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
        .route("/health", get(health))
        .route("/version", get(version))
        .with_state(etcd);
    routes.into_axum_router().merge(plain).into()
}

/// Whether a linearizable read is answered.
async fn health(State(etcd): State<Etcd>) -> impl IntoResponse {
    let (status, health) = match etcd.reader(false).await {
        Ok(_) => (StatusCode::OK, ("true", String::new())),
        Err(error) => {
            let reason = error.message().to_owned();
            (StatusCode::SERVICE_UNAVAILABLE, ("false", reason))
        }
    };
    let (health, reason) = health;
    json(status, &Health { health, reason })
}

async fn version() -> impl IntoResponse {
    let version = Version {
        etcdserver: VERSION,
        etcdcluster: VERSION,
        storage: VERSION,
    };
    json(StatusCode::OK, &version)
}

fn json<T: Serialize>(status: StatusCode, body: &T) -> impl IntoResponse + use<T> {
    match serde_json::to_string(body) {
        Ok(body) => (status, [(CONTENT_TYPE, "application/json")], body),
        Err(error) => {
            let status = StatusCode::INTERNAL_SERVER_ERROR;
            (status, [(CONTENT_TYPE, "text/plain")], error.to_string())
        }
    }
}
