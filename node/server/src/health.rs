//! Probes and metrics: `/livez`, `/readyz`, `/metrics`.

mod etcd_names;
mod metrics;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderValue, Method, Request, Response, StatusCode};
use http_body_util::Full;
use hyper::body::Incoming;
use tokio::net::TcpListener;

use crate::connections::{self, NO_STREAMS};
use crate::node::Node;

/// Most connections at a time; further ones wait in the listener's backlog.
const CONNECTIONS_MAX: u32 = 64;

type Answer = Response<Full<Bytes>>;

/// Serves probes and metrics on `listener` until `stop`; returns when every request that had begun is answered.
pub async fn serve(node: Node, listener: TcpListener, stop: impl Future<Output = ()>) {
    let service = move |request: Request<Incoming>| {
        let answer = answer(&node, request.method(), request.uri().path());
        std::future::ready(answer)
    };
    connections::serve(listener, CONNECTIONS_MAX, stop, service, NO_STREAMS).await;
}

fn answer(node: &Node, method: &Method, path: &str) -> Answer {
    if method != Method::GET {
        let mut answer = text(
            StatusCode::METHOD_NOT_ALLOWED,
            "only GET means something here\n",
        );
        answer
            .headers_mut()
            .insert(http::header::ALLOW, HeaderValue::from_static("GET"));
        return answer;
    }
    match path {
        "/livez" => match node.failure() {
            None => text(StatusCode::OK, "ok\n"),
            Some(failure) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{failure}\n")),
        },
        "/readyz" => match node.ready() {
            Ok(()) => text(StatusCode::OK, "ok\n"),
            Err(why) => text(StatusCode::SERVICE_UNAVAILABLE, format!("{why}\n")),
        },
        "/metrics" => metrics(node),
        _ => text(
            StatusCode::NOT_FOUND,
            "here are /livez, /readyz and /metrics\n",
        ),
    }
}

/// The metrics of the node.
pub(crate) fn metrics(node: &Node) -> Answer {
    match metrics::render(node) {
        Ok(metrics) => {
            let mut answer = text(StatusCode::OK, metrics);
            answer
                .headers_mut()
                .insert(CONTENT_TYPE, metrics::CONTENT_TYPE);
            answer
        }
        Err(error) => text(StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    let mut answer = Response::new(Full::new(body.into()));
    *answer.status_mut() = status;
    let plain = HeaderValue::from_static("text/plain; charset=utf-8");
    answer.headers_mut().insert(CONTENT_TYPE, plain);
    answer
}
