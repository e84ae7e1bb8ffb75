//! The contract of byte streams between nodes.

use std::io;

use futures::future::BoxFuture;
use tokio::io::{AsyncRead, AsyncWrite};

/// A stream of bytes in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A stream whose kind does not matter.
pub type BoxDuplex = Box<dyn Duplex>;

/// Byte streams by "host:port". Reliable and in order while they live, silent or broken when the network is: whoever
/// waits on one sets a deadline. Small writes are not held back (`TCP_NODELAY`).
pub trait Network: Send + Sync {
    /// Opens a stream to the listener at `to`. Tries once; may take as long as the network does.
    fn connect<'a>(&'a self, to: &'a str) -> BoxFuture<'a, io::Result<BoxDuplex>>;
    /// Listens at `at`; port 0 takes a free one, which [`Listener::local_addr`] tells.
    fn listen<'a>(&'a self, at: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>>;
}

/// A bound address. Dropping it unbinds.
pub trait Listener: Send {
    /// Waits for the next stream; with it comes the address of the other end. An error concerns this one attempt
    /// (or a passing want of descriptors): the listener stays usable. Cancel safe.
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxDuplex, String)>>;
    /// The address that was bound, "host:port".
    fn local_addr(&self) -> String;
}
