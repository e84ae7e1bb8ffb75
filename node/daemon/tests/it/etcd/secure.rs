//! A client of etcd that speaks TLS, and the files of a node that does.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use e2e::certificates::{Authority, Identity};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer, ServerName};
use tokio_rustls::rustls::{ClientConfig, RootCertStore};
use tonic::transport::Channel;
use tower::service_fn;

use super::Clients;
use crate::process::Node;

/// The name in the certificates of servers: their addresses are known too late.
const SERVER: &str = "kluster";

/// A folder with `tls.crt`, `tls.key` and `ca.crt`, as Kubernetes mounts a Secret: behind a link that is turned to a new
/// folder when the Secret changes.
pub struct Files {
    dir: PathBuf,
    turns: usize,
}

impl Files {
    pub fn new(dir: &Path, identity: &Identity, client_ca: &Authority) -> Files {
        std::fs::create_dir(dir).unwrap();
        let mut files = Files {
            dir: dir.to_owned(),
            turns: 0,
        };
        files.turn(identity, client_ca);
        for name in ["tls.crt", "tls.key", "ca.crt"] {
            std::os::unix::fs::symlink(Path::new("..data").join(name), dir.join(name)).unwrap();
        }
        files
    }

    /// Puts others in their place, all at once.
    pub fn turn(&mut self, identity: &Identity, client_ca: &Authority) {
        let folder = format!("..{}", self.turns);
        self.turns += 1;
        let new = self.dir.join(&folder);
        std::fs::create_dir(&new).unwrap();
        std::fs::write(new.join("tls.crt"), &identity.certificate).unwrap();
        std::fs::write(new.join("tls.key"), &identity.key).unwrap();
        std::fs::write(new.join("ca.crt"), &client_ca.identity().certificate).unwrap();
        std::os::unix::fs::symlink(&folder, self.dir.join("..next")).unwrap();
        std::fs::rename(self.dir.join("..next"), self.dir.join("..data")).unwrap();
    }

    /// The section of a node's config.
    pub fn section(&self, client_ca: bool) -> String {
        let file = |name: &str| self.dir.join(name);
        let mut section = format!(
            "[etcd_tls]\ncert_file = {:?}\nkey_file = {:?}\n",
            file("tls.crt"),
            file("tls.key"),
        );
        if client_ca {
            section.push_str(&format!("client_ca_file = {:?}\n", file("ca.crt")));
        }
        section
    }
}

/// A server's certificate.
pub fn server(authority: &Authority) -> Identity {
    authority.server("a node", &[SERVER]).unwrap()
}

/// The certificate of a PEM file, as it is sent.
pub fn der(identity: &Identity) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(identity.certificate.as_bytes()).unwrap()
}

/// A client: whom it trusts, and who it is.
#[derive(Clone)]
pub struct SecureClient {
    address: String,
    config: ClientConfig,
}

impl SecureClient {
    pub fn of(node: &Node, trusts: &Authority, is: Option<&Identity>) -> SecureClient {
        let mut roots = RootCertStore::empty();
        roots.add(der(trusts.identity())).unwrap();
        let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots);
        let config = match is {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let key = PrivateKeyDer::from_pem_slice(identity.key.as_bytes()).unwrap();
                let chain = vec![der(identity)];
                builder.with_client_auth_cert(chain, key).unwrap()
            }
        };
        let address = node.bound.etcd.clone();
        SecureClient { address, config }
    }

    /// A connection for a protocol.
    pub async fn connect(&self, protocol: &str) -> io::Result<TlsStream<TcpStream>> {
        let mut config = self.config.clone();
        config.alpn_protocols = vec![protocol.as_bytes().to_vec()];
        let stream = TcpStream::connect(&self.address).await?;
        let name = ServerName::try_from(SERVER).unwrap();
        let connector = TlsConnector::from(Arc::new(config));
        connector.connect(name, stream).await
    }

    /// The certificate that the node shows.
    pub async fn shown(&self) -> io::Result<CertificateDer<'static>> {
        let stream = self.connect("h2").await?;
        let certificates = stream.get_ref().1.peer_certificates();
        Ok(certificates.unwrap()[0].clone())
    }

    /// Connects when it is first used, and again after each break.
    pub fn channel(&self) -> Channel {
        let client = self.clone();
        let connector = service_fn(move |_| {
            let client = client.clone();
            async move { client.connect("h2").await.map(TokioIo::new) }
        });
        // What is connected speaks TLS already.
        let endpoint = Channel::from_static("http://kluster");
        endpoint.connect_with_connector_lazy(connector)
    }

    pub fn clients(&self) -> Clients {
        Clients::over(self.channel())
    }
}
