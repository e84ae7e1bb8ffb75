//! TCP.

use std::io;

use futures::future::BoxFuture;
use tokio::net::{TcpListener, TcpStream};

use crate::{BoxDuplex, Listener, Network as Contract};

/// TCP, with names from the system's resolver. Needs a tokio runtime with IO enabled.
#[derive(Debug)]
pub struct Network;

impl Contract for Network {
    fn connect<'a>(&'a self, to: &'a str) -> BoxFuture<'a, io::Result<BoxDuplex>> {
        Box::pin(async move {
            let stream = TcpStream::connect(to).await?;
            stream.set_nodelay(true)?;
            Ok(Box::new(stream) as BoxDuplex)
        })
    }

    fn listen<'a>(&'a self, at: &'a str) -> BoxFuture<'a, io::Result<Box<dyn Listener>>> {
        Box::pin(async move {
            let listener = TcpListener::bind(at).await?;
            let address = listener.local_addr()?.to_string();
            Ok(Box::new(Tcp { listener, address }) as Box<dyn Listener>)
        })
    }
}

struct Tcp {
    listener: TcpListener,
    address: String,
}

impl Listener for Tcp {
    fn accept(&mut self) -> BoxFuture<'_, io::Result<(BoxDuplex, String)>> {
        Box::pin(async move {
            let (stream, from) = self.listener.accept().await?;
            stream.set_nodelay(true)?;
            Ok((Box::new(stream) as BoxDuplex, from.to_string()))
        })
    }

    fn local_addr(&self) -> String {
        self.address.clone()
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};

    use super::*;

    #[tokio::test]
    async fn a_stream_carries_bytes_both_ways_and_its_end() {
        let mut listener = Network.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr();
        assert!(!address.ends_with(":0"), "{address}");
        let (client, server) = tokio::join!(Network.connect(&address), listener.accept());
        let (mut client, (mut server, _)) = (client.unwrap(), server.unwrap());
        client.write_all(b"ping").await.unwrap();
        let mut bytes = [0; 4];
        server.read_exact(&mut bytes).await.unwrap();
        server.write_all(b"pong").await.unwrap();
        client.read_exact(&mut bytes).await.unwrap();
        assert_eq!(&bytes, b"pong");
        drop(server);
        assert_eq!(client.read(&mut bytes).await.unwrap(), 0);
    }

    #[tokio::test]
    async fn nobody_listening_is_an_error() {
        let listener = Network.listen("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr();
        drop(listener);
        let error = Network.connect(&address).await.err().unwrap();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionRefused);
    }
}
