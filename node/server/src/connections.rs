//! Accepts HTTP connections, a bounded number of them, and sees them to their end.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{HeaderMap, Request, Response};
use http_body_util::Full;
use hyper::body::Incoming;
use hyper::server::conn::{http1, http2};
use hyper::service::{Service, service_fn};
use hyper_util::rt::{TokioExecutor, TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulConnection;
use hyper_util::service::TowerToHyperService;
use tokio::io::Interest;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::time::{sleep, timeout};

use crate::http::StreamService;

/// A connection of HTTP/1 on which no request begins for so long is closed, and so is a stream.
pub const IDLE_MAX: Duration = Duration::from_secs(75);
/// Wait after a connection could not be accepted (mostly for want of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
const HEADERS_MAX: usize = 64;
/// Room for a request's head: a key of 4 KiB may take three times that, percent-encoded.
const HEAD_BYTES_MAX: usize = 64 << 10;
/// What a connection of HTTP/2 begins with.
const HTTP2: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// Wait for the rest of it where a part has come.
const PEEK_AGAIN: Duration = Duration::from_millis(50);
/// Most streams, and other requests, at a time on one connection of HTTP/2.
const STREAMS_PER_CONNECTION_MAX: u32 = 64;
/// What a client may send on one stream before it is read.
const WINDOW_BYTES: u32 = 64 << 10;
/// What all streams of a connection may together, which their own windows bound below this. Its half is what h2 allows as the
/// overhead of small frames that lie unread (256 bytes a frame, without what is in it); beyond, it ends the connection. This
/// is enough for streams that are full of the shortest requests, of 13 bytes.
const CONNECTION_WINDOW_BYTES: u32 = 64 << 20;
/// A connection of HTTP/2 whose other end does not answer for so long is closed; one whose does may stay.
const KEEP_ALIVE: Duration = Duration::from_secs(20);
/// For listeners that serve HTTP/1 alone.
pub const NO_STREAMS: Option<StreamService> = None;

/// Serves until `stop`; then accepts no more, lets each connection finish its request, and returns when all have ended.
/// At most `connections_max` are open; further ones wait in the listener's backlog. `service` answers HTTP/1.1; connections
/// that begin with HTTP/2 belong to `streams` too, where there are any.
pub async fn serve<S, F>(
    listener: TcpListener,
    connections_max: u32,
    stop: impl Future<Output = ()>,
    service: S,
    streams: Option<StreamService>,
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
            let streams = streams.clone();
            tokio::spawn(async move {
                connection(stream, service, streams, stopping).await;
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

async fn connection<S, F>(
    stream: TcpStream,
    service: S,
    streams: Option<StreamService>,
    mut stopping: watch::Receiver<bool>,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    if let Err(error) = stream.set_nodelay(true) {
        tracing::debug!(%error, "a connection was gone at once");
        return;
    }
    if let Some(streams) = streams {
        let begins = tokio::select! {
            biased;
            begins = timeout(IDLE_MAX, begins_with_http2(&stream)) => begins.unwrap_or(None),
            () = told(&mut stopping) => None,
        };
        match begins {
            Some(true) => return http2_connection(stream, service, streams, stopping).await,
            Some(false) => {}
            None => return,
        }
    }
    let answer = service_fn(|request| {
        let answer = service(request);
        async move { Ok::<_, Infallible>(answer.await) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(IDLE_MAX)
        .max_headers(HEADERS_MAX)
        .max_buf_size(HEAD_BYTES_MAX)
        .pipeline_flush(true)
        .serve_connection(TokioIo::new(stream), answer);
    see_to_its_end(connection, stopping).await;
}

/// A connection that brings streams of writes, and may bring requests as HTTP/1.1 does.
async fn http2_connection<S, F>(
    stream: TcpStream,
    service: S,
    streams: StreamService,
    stopping: watch::Receiver<bool>,
) where
    S: Fn(Request<Incoming>) -> F + Clone + Send + Sync + 'static,
    F: Future<Output = Response<Full<Bytes>>> + Send + 'static,
{
    let streams = TowerToHyperService::new(streams);
    let answer = service_fn(move |request: Request<Incoming>| {
        let (service, streams) = (service.clone(), streams.clone());
        async move {
            match is_grpc(request.headers()) {
                true => streams.call(request).await,
                false => Ok(service(request).await.map(tonic::body::Body::new)),
            }
        }
    });
    let connection = http2::Builder::new(TokioExecutor::new())
        .timer(TokioTimer::new())
        .max_concurrent_streams(STREAMS_PER_CONNECTION_MAX)
        .initial_stream_window_size(WINDOW_BYTES)
        .initial_connection_window_size(CONNECTION_WINDOW_BYTES)
        .keep_alive_interval(KEEP_ALIVE)
        .serve_connection(TokioIo::new(stream), answer);
    see_to_its_end(connection, stopping).await;
}

fn is_grpc(headers: &HeaderMap) -> bool {
    let kind = headers.get(CONTENT_TYPE);
    kind.is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// Serves a connection; once told to, lets it finish what has begun.
async fn see_to_its_end<C>(connection: C, mut stopping: watch::Receiver<bool>)
where
    C: GracefulConnection<Error = hyper::Error>,
{
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

/// Whether a connection speaks HTTP/2, by its first bytes, which stay to be read; `None` when none come any more.
async fn begins_with_http2(stream: &TcpStream) -> Option<bool> {
    let mut first = [0; HTTP2.len()];
    loop {
        let begun = match stream.peek(&mut first).await {
            Ok(0) | Err(_) => return None,
            Ok(bytes) => first.get(..bytes)?,
        };
        if begun.len() == HTTP2.len() || !HTTP2.starts_with(begun) {
            return Some(begun == HTTP2);
        }
        // What was looked at stays: only this tells that no more will come.
        if stream
            .ready(Interest::READABLE)
            .await
            .ok()?
            .is_read_closed()
        {
            return None;
        }
        sleep(PEEK_AGAIN).await;
    }
}

/// Resolves when connections are to end. The sender outlives them; its end would mean the same.
async fn told(stopping: &mut watch::Receiver<bool>) {
    stopping.wait_for(|stopping| *stopping).await.ok();
}
