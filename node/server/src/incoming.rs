//! Connections to a gRPC interface, a bounded number of them, each opened and begun within a time.

use std::future::pending;
use std::io;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use futures::Stream;
use futures::stream::unfold;
use http::Extensions;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::task::JoinSet;
use tokio::time::{Sleep, sleep, timeout};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConnection;
use tokio_rustls::server::TlsStream;
use tokio_util::either::Either;
use tonic::transport::server::Connected;
use x509_parser::prelude::{FromDer, X509Certificate};

use crate::tls::Current;

/// Wait after a connection could not be accepted (mostly for want of descriptors).
const ACCEPT_AGAIN: Duration = Duration::from_millis(50);
/// A connection whose TLS is not agreed upon for so long is closed.
const HANDSHAKE_MAX: Duration = Duration::from_secs(10);
/// A connection that has not begun to speak for so long is closed; what becomes of it then is up to its protocol.
const BEGIN_MAX: Duration = Duration::from_secs(30);
/// One has begun with what HTTP/2 begins with. No request of HTTP/1.1 is shorter.
const BEGINNING_BYTES: usize = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n".len();

/// The Common Name of the certificate that a client has shown, and that an authority of clients has signed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CertificateName(pub String);

/// The name that the client of a request has proved with its certificate, from the request's extensions.
pub fn certificate_name(extensions: &Extensions) -> Option<&CertificateName> {
    extensions.get::<Peer>()?.name.as_ref()
}

/// Who is at the other end of a connection. Each of its requests has this among its extensions.
#[derive(Clone)]
pub struct Peer {
    name: Option<CertificateName>,
}

/// A connection and its share of the bound.
pub struct Connection {
    stream: Either<TcpStream, TlsStream<TcpStream>>,
    peer: Peer,
    beginning: Option<Beginning>,
    _share: OwnedSemaphorePermit,
}

/// A connection that has not begun to speak.
struct Beginning {
    bytes_missing: usize,
    end: Pin<Box<Sleep>>,
}

struct Incoming {
    listener: TcpListener,
    connections: Arc<Semaphore>,
    tls: Option<Current>,
    /// Those that agree upon TLS: each beside the others, with its own share of the bound.
    handshakes: JoinSet<Option<Connection>>,
}

/// The listener's connections, with TLS where there is one; while `connections_max` are open or being opened, further ones
/// wait in its backlog.
pub fn bounded(
    listener: TcpListener,
    connections_max: usize,
    tls: Option<Current>,
) -> impl Stream<Item = io::Result<Connection>> {
    let incoming = Incoming {
        listener,
        connections: Arc::new(Semaphore::new(connections_max)),
        tls,
        handshakes: JoinSet::new(),
    };
    unfold(incoming, async |mut incoming| {
        Some((incoming.next().await, incoming))
    })
}

impl Incoming {
    async fn next(&mut self) -> io::Result<Connection> {
        loop {
            tokio::select! {
                Some(opened) = self.handshakes.join_next() => {
                    if let Ok(Some(connection)) = opened {
                        return Ok(connection);
                    }
                }
                (stream, share) = accept(&self.listener, &self.connections) => {
                    stream.set_nodelay(true)?;
                    let Some(tls) = &self.tls else {
                        return Ok(Connection::of(Either::Left(stream), share));
                    };
                    let acceptor = TlsAcceptor::from(tls.borrow().clone());
                    self.handshakes.spawn(handshake(acceptor, stream, share));
                }
            }
        }
    }
}

async fn accept(
    listener: &TcpListener,
    connections: &Arc<Semaphore>,
) -> (TcpStream, OwnedSemaphorePermit) {
    let Ok(share) = connections.clone().acquire_owned().await else {
        // Nobody closes the semaphore.
        return pending().await;
    };
    loop {
        match listener.accept().await {
            Ok((stream, _)) => return (stream, share),
            Err(error) => {
                tracing::warn!(%error, "failed to accept a connection");
                sleep(ACCEPT_AGAIN).await;
            }
        }
    }
}

async fn handshake(
    acceptor: TlsAcceptor,
    stream: TcpStream,
    share: OwnedSemaphorePermit,
) -> Option<Connection> {
    let client = stream.peer_addr().ok();
    let opened = match timeout(HANDSHAKE_MAX, acceptor.accept(stream)).await {
        Ok(opened) => opened,
        Err(late) => Err(late.into()),
    };
    match opened {
        Ok(stream) => Some(Connection::of(Either::Right(stream), share)),
        Err(error) => {
            tracing::debug!(%error, ?client, "failed to agree upon TLS with a client");
            None
        }
    }
}

/// The Common Name of the certificate that the other end has proved to be its own. Where there are several, the last counts,
/// as in etcd.
fn proved_name(session: &ServerConnection) -> Option<CertificateName> {
    let certificate = session.peer_certificates()?.first()?;
    let (_, certificate) = X509Certificate::from_der(certificate).ok()?;
    let name = certificate.subject().iter_common_name().last()?;
    let name = name.as_str().ok().filter(|name| !name.is_empty())?;
    Some(CertificateName(name.to_owned()))
}

impl Connection {
    fn of(stream: Either<TcpStream, TlsStream<TcpStream>>, share: OwnedSemaphorePermit) -> Self {
        let name = match &stream {
            Either::Left(_) => None,
            Either::Right(stream) => proved_name(stream.get_ref().1),
        };
        Self {
            stream,
            peer: Peer { name },
            beginning: Some(Beginning {
                bytes_missing: BEGINNING_BYTES,
                end: Box::pin(sleep(BEGIN_MAX)),
            }),
            _share: share,
        }
    }

    /// Sees to it that it begins in time, after a read that gave so many bytes, or none yet.
    fn begins(&mut self, context: &mut Context<'_>, bytes: Option<usize>) -> io::Result<()> {
        let Some(beginning) = &mut self.beginning else {
            return Ok(());
        };
        match bytes {
            Some(bytes) if bytes >= beginning.bytes_missing => self.beginning = None,
            Some(bytes) => beginning.bytes_missing -= bytes,
            None if beginning.end.as_mut().poll(context).is_ready() => {
                return Err(io::ErrorKind::TimedOut.into());
            }
            None => {}
        }
        Ok(())
    }
}

impl Connected for Connection {
    type ConnectInfo = Peer;

    fn connect_info(&self) -> Peer {
        self.peer.clone()
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(context, buffer);
        let bytes = read.is_ready().then(|| buffer.filled().len() - before);
        self.begins(context, bytes)?;
        read
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

#[cfg(test)]
#[path = "incoming_tests.rs"]
mod tests;
