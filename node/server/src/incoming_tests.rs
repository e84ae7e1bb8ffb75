//! Connections over real sockets: opened and begun in time, and with the name that a client proves.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Instant;

use axum::routing::get;
use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio_rustls::TlsConnector;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::service::Routes;
use tonic::transport::Server;

use super::*;
use crate::tls::{Tls, TlsFiles};

const REQUEST: &[u8] = b"GET / HTTP/1.1\r\nhost: h\r\n\r\n";

/// An authority, and the folder with the files of a server that it has signed.
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: String,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Self {
        let (mut params, key) = (params(&["an authority"]), KeyPair::generate().unwrap());
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let certificate = params.self_signed(&key).unwrap().pem();
        let authority = Self {
            issuer: Issuer::new(params, key),
            certificate,
            folder: tempfile::tempdir().unwrap(),
        };
        let (certificate, key) = authority.sign(&["a server"]);
        std::fs::write(authority.path("tls.crt"), certificate).unwrap();
        std::fs::write(authority.path("tls.key"), key).unwrap();
        std::fs::write(authority.path("ca.crt"), &authority.certificate).unwrap();
        authority
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        Path::new(self.folder.path()).join(name)
    }

    /// A certificate of these Common Names, and its key.
    fn sign(&self, names: &[&str]) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        let certificate = params(names).signed_by(&key, &self.issuer).unwrap();
        (certificate.pem(), key.serialize_pem())
    }

    fn server(&self, client_ca_file: Option<std::path::PathBuf>) -> Option<Current> {
        let tls = Tls::load(TlsFiles {
            cert_file: self.path("tls.crt"),
            key_file: self.path("tls.key"),
            client_ca_file,
        });
        Some(tls.unwrap().current())
    }

    async fn connect(
        &self,
        address: SocketAddr,
        identity: Option<(String, String)>,
    ) -> io::Result<tokio_rustls::client::TlsStream<TcpStream>> {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(self.certificate.as_bytes());
        roots.add(root.unwrap()).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match identity {
            Some((certificate, key)) => {
                let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
                let key = PrivateKeyDer::from_pem_slice(key.as_bytes()).unwrap();
                builder.with_client_auth_cert(chain, key).unwrap()
            }
            None => builder.with_no_client_auth(),
        };
        let stream = TcpStream::connect(address).await?;
        let name = ServerName::try_from("server").unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }
}

fn params(names: &[&str]) -> CertificateParams {
    let mut params = CertificateParams::new(vec!["server".to_owned()]).unwrap();
    params.distinguished_name = rcgen::DistinguishedName::new();
    for (number, name) in names.iter().enumerate() {
        // One type is there once: any but the last says by its number that it is a Common Name.
        let kind = match number + 1 == names.len() {
            true => DnType::CommonName,
            false => DnType::CustomDnType(vec![2, 5, 4, 3]),
        };
        params.distinguished_name.push(kind, (*name).to_owned());
    }
    params
}

/// Serves one path, which says who asks.
async fn serve(connections_max: usize, tls: Option<Current>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let says = async |request: axum::extract::Request| {
        let name = certificate_name(request.extensions());
        format!("{name:?}")
    };
    let routes = Routes::from(axum::Router::new().route("/", get(says)));
    let served = Server::builder()
        .accept_http1(true)
        .add_routes(routes)
        .serve_with_incoming(bounded(listener, connections_max, tls));
    tokio::spawn(served);
    address
}

/// Asks on a connection, and gives what is said until `end` comes.
async fn ask(mut stream: impl AsyncRead + AsyncWrite + Unpin, end: &str) -> io::Result<String> {
    stream.write_all(REQUEST).await?;
    let mut answer = Vec::new();
    while !answer.ends_with(end.as_bytes()) {
        if stream.read_buf(&mut answer).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
    }
    Ok(String::from_utf8(answer).unwrap())
}

#[tokio::test]
async fn a_request_has_the_name_that_its_client_has_proved() {
    let authority = Authority::new();
    let demands = serve(9, authority.server(Some(authority.path("ca.crt")))).await;
    for (names, found) in [
        (&["alice"][..], r#"Some(CertificateName("alice"))"#),
        (&["no", "bob"], r#"Some(CertificateName("bob"))"#),
        (&[], "None"),
        (&[""], "None"),
    ] {
        let identity = Some(authority.sign(names));
        let stream = authority.connect(demands, identity).await.unwrap();
        let answer = ask(stream, found).await;
        assert!(answer.is_ok(), "{names:?}: {answer:?}");
    }
    let stranger = Authority::new().sign(&["alice"]);
    for identity in [None, Some(stranger)] {
        // The server hears of the certificate after the client has begun to speak.
        let refused = match authority.connect(demands, identity).await {
            Ok(stream) => ask(stream, ")").await.map(drop),
            Err(error) => Err(error),
        };
        assert!(refused.is_err(), "{refused:?}");
    }
    // A certificate that nobody asked for says nothing.
    let open = serve(9, authority.server(None)).await;
    let identity = Some(authority.sign(&["alice"]));
    let stream = authority.connect(open, identity).await.unwrap();
    ask(stream, "None").await.unwrap();
    let plain = serve(9, None).await;
    ask(TcpStream::connect(plain).await.unwrap(), "None")
        .await
        .unwrap();
}

/// Time stands still where nothing happens but waiting: it is over at once.
#[tokio::test(start_paused = true)]
async fn who_says_nothing_makes_room_in_time() {
    let authority = Authority::new();
    let begun = Instant::now();
    let first = REQUEST.get(..9).unwrap();
    let http2 = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r".as_slice();
    // Half a record of the first message of a handshake.
    let hello = b"\x16\x03\x01\x02\x00\x01".as_slice();
    for (tls, said, within) in [
        (false, b"".as_slice(), BEGIN_MAX),
        (false, first, BEGIN_MAX),
        (false, http2, BEGIN_MAX),
        (true, b"", HANDSHAKE_MAX),
        (true, hello, HANDSHAKE_MAX),
        (true, first, Duration::ZERO),
    ] {
        let tls = tls.then(|| authority.server(None)).flatten();
        let has_tls = tls.is_some();
        let address = serve(1, tls).await;
        let started = tokio::time::Instant::now();
        let mut silent = TcpStream::connect(address).await.unwrap();
        silent.write_all(said).await.unwrap();
        // There is room for one connection: this one waits until the other is over.
        let other = async {
            match has_tls {
                false => ask(TcpStream::connect(address).await.unwrap(), "None").await,
                true => ask(authority.connect(address, None).await.unwrap(), "None").await,
            }
        };
        timeout(BEGIN_MAX * 2, other).await.unwrap().unwrap();
        let took = started.elapsed();
        assert!(took >= within, "{said:?}: {took:?}");
        assert!(took < within + Duration::from_secs(1), "{said:?}: {took:?}");
    }
    assert!(begun.elapsed() < BEGIN_MAX, "time does not stand still");
}

/// Whether or not a request was answered before.
#[tokio::test(start_paused = true)]
async fn a_connection_with_tls_that_lies_idle_is_closed_in_time() {
    let authority = Authority::new();
    let address = serve(1, authority.server(None)).await;
    for asks in [false, true] {
        let mut stream = authority.connect(address, None).await.unwrap();
        if asks {
            ask(&mut stream, "None").await.unwrap();
        }
        let started = tokio::time::Instant::now();
        let mut rest = Vec::new();
        let end = timeout(BEGIN_MAX * 2, stream.read_to_end(&mut rest)).await;
        end.unwrap().ok();
        let took = started.elapsed();
        assert!(took >= BEGIN_MAX, "{asks}: {took:?}");
        assert!(
            took < BEGIN_MAX + Duration::from_secs(1),
            "{asks}: {took:?}"
        );
    }
}
