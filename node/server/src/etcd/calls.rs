//! Bounds what callers keep open: calls that were begun and do not go on.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use axum::body::{Body, Bytes, HttpBody};
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::Response;
use http_body::Frame;
use http_body_util::BodyExt;
use node_api::etcd::Error;
use tokio::sync::Semaphore;
use tokio::time::{Sleep, sleep};
use tonic::Status;

/// Most calls at a time, over all connections; each watch of a client that has a stream for each is one. A call whose request
/// does not go on takes some 20 KB.
const CALLS_MAX: usize = 16_384;
/// A request that has not come to its end for so long is not waited for.
const REQUEST_MAX: Duration = Duration::from_secs(60);
/// The methods whose requests are streams, which end when the client wants.
const OF_STREAMS: [&str; 2] = [
    "/etcdserverpb.Watch/Watch",
    "/etcdserverpb.Lease/LeaseKeepAlive",
];

/// The places of calls.
#[derive(Clone)]
pub struct Places(Arc<Semaphore>);

/// How routes say that a call is refused.
type Refuse = fn(Status) -> Response;

impl Places {
    /// All are free.
    pub fn new() -> Places {
        Places(Arc::new(Semaphore::new(CALLS_MAX)))
    }

    /// The routes, with bounds: a call beyond them is refused with an error after which clients try again.
    pub fn bound(&self, routes: axum::Router, refuse: Refuse) -> axum::Router {
        routes.layer(from_fn_with_state((self.clone(), refuse), bound))
    }
}

async fn bound(
    State((Places(places), refuse)): State<(Places, Refuse)>,
    request: Request,
    next: Next,
) -> Response {
    let Ok(place) = places.try_acquire_owned() else {
        return refuse(Error::RequestTooManyRequests.into());
    };
    let request = match OF_STREAMS.contains(&request.uri().path()) {
        true => request,
        false => request.map(|body| Body::new(InTime { body, ends: None })),
    };
    next.run(request).await.map(|body| {
        // The place is taken for as long as the answer goes on. One that is there as a whole keeps its length.
        if body.size_hint().exact().is_some() {
            return body;
        }
        Body::new(body.map_frame(move |frame| {
            let _taken = &place;
            frame
        }))
    })
}

/// A body that fails where it has not come to its end in time. The time begins where it has to be waited for first.
struct InTime {
    body: Body,
    ends: Option<Pin<Box<Sleep>>>,
}

impl HttpBody for InTime {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if polled.is_ready() {
            return polled;
        }
        let ends = self
            .ends
            .get_or_insert_with(|| Box::pin(sleep(REQUEST_MAX)));
        ends.as_mut().poll(context).map(|()| {
            let late = Status::deadline_exceeded("the request did not end in time");
            Some(Err(axum::Error::new(late)))
        })
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }
}
