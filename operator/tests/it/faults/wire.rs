//! The wire between one operator process and the API server: a tower layer around its client.

use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use http::{Request, Response};
use http_body_util::BodyExt;
use kube::client::{Body, DynBody};
use tokio::sync::watch;
use tower::{BoxError, Layer, Service};

use super::director::{Director, Fate, Verdict};
use super::watched;

/// What the client's own layers answer.
pub type Answer = Response<Box<DynBody>>;

/// The wire of one process.
#[derive(Clone)]
pub struct Wire {
    director: Arc<Director>,
    process: Arc<str>,
    dead: Arc<watch::Sender<bool>>,
}

impl Wire {
    /// The wire of the process of this name.
    pub fn new(director: Arc<Director>, process: &str) -> Wire {
        Wire {
            director,
            process: process.into(),
            dead: Arc::new(watch::Sender::new(false)),
        }
    }

    /// Returns once the process must die.
    pub async fn died(&self) {
        let mut dead = self.dead.subscribe();
        // The sender is ours: it outlives the wait.
        let _always_some = dead.wait_for(|dead| *dead).await;
    }

    async fn die<T>(&self) -> T {
        self.dead.send_replace(true);
        std::future::pending().await
    }
}

impl<S> Layer<S> for Wire {
    type Service = Wired<S>;

    fn layer(&self, inner: S) -> Wired<S> {
        Wired {
            inner,
            wire: self.clone(),
        }
    }
}

/// A client's service behind a [`Wire`].
pub struct Wired<S> {
    inner: S,
    wire: Wire,
}

impl<S> Service<Request<Body>> for Wired<S>
where
    S: Service<Request<Body>, Response = Answer, Error = BoxError>,
    S::Future: Send + 'static,
{
    type Response = Answer;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, BoxError>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        let wire = self.wire.clone();
        if *wire.dead.borrow() {
            return Box::pin(std::future::pending());
        }
        let request = in_memory(request);
        let (number, verdict) = wire.director.judge(&wire.process, &request);
        let request = request.map(Body::from);
        // Nothing is sent before this future is polled.
        let send = self.inner.call(request);
        Box::pin(carry(wire, number, verdict, send))
    }
}

async fn carry(
    wire: Wire,
    number: Option<usize>,
    verdict: Verdict,
    send: impl Future<Output = Result<Answer, BoxError>>,
) -> Result<Answer, BoxError> {
    let noted = Noted {
        wire: &wire,
        number,
    };
    if verdict == Verdict::Die {
        return wire.die().await;
    }
    if let Verdict::Refuse(refusal) = verdict
        && let Some(answer) = refusal.answer()
    {
        return Ok(answer.map(boxed));
    }
    wire.director.until_free(&wire.process, number).await;
    noted.note(Fate::Sent);
    let answer = send.await;
    if let Ok(answer) = &answer {
        noted.note(Fate::Answered(answer.status().as_u16()));
    }
    match verdict {
        Verdict::PassAndDie => wire.die().await,
        Verdict::Refuse(_) => Err("the answer was lost: timed out".into()),
        Verdict::Mangle(fault) => Ok(answer?.map(|body| watched::mangle(body, fault))),
        Verdict::Pass | Verdict::Die => answer,
    }
}

/// A write that is noted as dropped when nobody waits for it any more before it was sent.
struct Noted<'a> {
    wire: &'a Wire,
    number: Option<usize>,
}

impl Noted<'_> {
    fn note(&self, fate: Fate) {
        if let Some(number) = self.number {
            self.wire.director.note(number, fate);
        }
    }
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.note(Fate::Dropped);
    }
}

/// The same with a body to look at: the client never sends one that is not there as a whole.
fn in_memory(request: Request<Body>) -> Request<Vec<u8>> {
    let (head, body) = request.into_parts();
    let whole = body.collect().now_or_never();
    let whole = whole.expect("invariant: kube's client has its requests in memory");
    let whole = whole.expect("invariant: memory does not fail").to_bytes();
    Request::from_parts(head, whole.to_vec())
}

fn boxed(body: Body) -> Box<DynBody> {
    Box::new(body.map_err(BoxError::from))
}
