//! Accepts HTTP connections, a bounded number of them, and sees them to their end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::http1::Builder;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};

/// A connection on which no request begins for so long is closed.
const IDLE_MAX: Duration = Duration::from_secs(75);
/// Wait after a connection could not be accepted (mostly for want of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
const HEADERS_MAX: usize = 64;
/// Room for a request's head: a key of 4 KiB may take three times that, percent-encoded.
const HEAD_BYTES_MAX: usize = 64 << 10;

/// Serves until `stop`; then accepts no more, lets each connection finish its request, and returns when all have ended.
/// At most `connections_max` are open; further ones wait in the listener's backlog.
pub async fn serve<S, F>(
    listener: TcpListener,
    connections_max: u32,
    stop: impl Future<Output = ()>,
    service: S,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let connections = Arc::new(Semaphore::new(connections_max as usize));
    let stopping = watch::Sender::new(false);
    let accepting = async {
        loop {
            let Ok(room) = connections.clone().acquire_owned().await else {
                return;
            };
            let stream = match listener.accept().await {
                Ok((stream, _)) => stream,
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a connection");
                    tokio::time::sleep(ACCEPT_AGAIN).await;
                    continue;
                }
            };
            let (service, stopping) = (service.clone(), stopping.subscribe());
            tokio::spawn(async move {
                connection(stream, service, stopping).await;
                drop(room);
            });
        }
    };
    tokio::select! {
        biased;
        () = stop => {}
        () = accepting => {}
    }
    drop(listener);
    stopping.send_replace(true);
    // Every connection holds one permit until its end; nobody closes the semaphore.
    let _all = connections.acquire_many(connections_max).await;
}

async fn connection<S, F>(stream: TcpStream, service: S, mut stopping: watch::Receiver<bool>)
where
    S: Fn(Request<Incoming>) -> F,
    F: Future<Output = Response<Full<Bytes>>>,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    let answer = service_fn(|request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), answer);
    let mut connection = std::pin::pin!(connection);
    let ended = tokio::select! {
        biased;
        ended = connection.as_mut() => ended,
        () = told(&mut stopping) => {
            connection.as_mut().graceful_shutdown();
            connection.await
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "a connection ended early");
    }
}

/// Resolves when connections are to end. The sender outlives them; its end would mean the same.
async fn told(stopping: &mut watch::Receiver<bool>) {
    stopping.wait_for(|stopping| *stopping).await.ok();
}
