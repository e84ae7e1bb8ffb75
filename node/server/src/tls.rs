//! TLS of a listener: its certificate, its key and who may certify clients, from files that may be replaced at any time.
//!
//! Files are looked at again and again. What they hold is taken for new connections once it can be used; until then the last
//! that could is. Not here: the handshakes ([`crate::incoming`]), and what a client may do.

use std::convert::Infallible;
use std::error::Error;
use std::fs::File;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;
use tokio::time::sleep;
use tokio_rustls::rustls;
use tokio_rustls::rustls::crypto::ring;
use tokio_rustls::rustls::pki_types::pem::{self, PemObject};
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};
use tokio_rustls::rustls::server::WebPkiClientVerifier;
use tokio_rustls::rustls::{RootCertStore, ServerConfig};

/// Wait between two looks at the files.
const LOOK_EVERY: Duration = Duration::from_secs(10);
/// Longer files are not read: a chain of certificates has a few KiB.
const FILE_BYTES_MAX: u64 = 1 << 20;
/// What a client may speak inside, the best first.
const PROTOCOLS: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Where the parts lie, all of them PEM.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TlsFiles {
    /// The certificate of this server, and those between it and its authority.
    pub cert_file: PathBuf,
    /// The private key of the first of them.
    pub key_file: PathBuf,
    /// The authorities of clients. With it, a client that shows no certificate of one of them is refused.
    pub client_ca_file: Option<PathBuf>,
}

/// Why the files cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is no such file, or it cannot be read.
    #[error("failed to read {}: it must be a file that this program may read", .path.display())]
    Read {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// It cannot be what it should be.
    #[error("failed to read {}: it has more than {FILE_BYTES_MAX} bytes", .path.display())]
    TooLong {
        /// Where.
        path: PathBuf,
    },
    /// What is looked for is not in the file.
    #[error("failed to find a {what} in {}: it must hold one as PEM, not encrypted", .path.display())]
    Pem {
        /// A certificate or a private key.
        what: &'static str,
        /// Where.
        path: PathBuf,
        /// What is there instead.
        source: pem::Error,
    },
    /// A certificate without its key, or one that is none.
    #[error(
        "failed to use the certificate {} with the key {}: the key must be that of the file's first certificate",
        .cert.display(), .key.display()
    )]
    Pair {
        /// Where the certificate lies.
        cert: PathBuf,
        /// Where the key lies.
        key: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
    /// What should be an authority of clients is none.
    #[error("failed to take {} for the authority of clients: it must hold CA certificates", .path.display())]
    ClientCa {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: rustls::Error,
    },
}

/// What new connections are opened with: always the last that could be used.
pub type Current = watch::Receiver<Arc<ServerConfig>>;

/// The TLS of a listener.
pub struct Tls {
    files: TlsFiles,
    taken: Contents,
    current: watch::Sender<Arc<ServerConfig>>,
}

/// What the files held at one time.
#[derive(PartialEq, Eq)]
struct Contents {
    cert: Vec<u8>,
    key: Vec<u8>,
    client_ca: Option<Vec<u8>>,
}

impl Tls {
    /// Reads the files. Blocks while it does.
    ///
    /// # Errors
    /// With the file that cannot be used, and what it should be.
    pub fn load(files: TlsFiles) -> Result<Self, TlsError> {
        let taken = files.read()?;
        let current = watch::Sender::new(Arc::new(files.config(&taken)?));
        Ok(Self {
            files,
            taken,
            current,
        })
    }

    pub(crate) fn current(&self) -> Current {
        self.current.subscribe()
    }

    /// Looks at the files again and again, for ever. What cannot be used is told once, not at each look.
    pub(crate) async fn renew(mut self) -> Infallible {
        let mut told = None;
        loop {
            sleep(LOOK_EVERY).await;
            let Err(error) = self.look().await else {
                told = None;
                continue;
            };
            // With what is below it: another reason is worth telling.
            let reason = format!("{error:?}");
            if told.as_ref() != Some(&reason) {
                let error = &error as &(dyn Error + 'static);
                tracing::warn!(
                    error,
                    "new files for TLS cannot be used: the old ones stay in use"
                );
                told = Some(reason);
            }
        }
    }

    async fn look(&mut self) -> Result<(), TlsError> {
        let files = self.files.clone();
        let read = tokio::task::spawn_blocking(move || files.read()).await;
        // The runtime ends: there is nobody to serve any more.
        let Ok(read) = read else { return Ok(()) };
        let contents = read?;
        if contents != self.taken {
            let config = self.files.config(&contents)?;
            self.current.send_replace(Arc::new(config));
            self.taken = contents;
            tracing::info!(files = ?self.files, "new files for TLS are in use for new connections");
        }
        Ok(())
    }
}

impl TlsFiles {
    fn read(&self) -> Result<Contents, TlsError> {
        let client_ca = self.client_ca_file.as_deref().map(read).transpose()?;
        Ok(Contents {
            cert: read(&self.cert_file)?,
            key: read(&self.key_file)?,
            client_ca,
        })
    }

    fn config(&self, contents: &Contents) -> Result<ServerConfig, TlsError> {
        let chain = certificates(&self.cert_file, &contents.cert)?;
        let key = PrivateKeyDer::from_pem_slice(&contents.key)
            .map_err(|source| no("private key", &self.key_file, source))?;
        let provider = Arc::new(ring::default_provider());
        let builder = ServerConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .expect("invariant: ring has what TLS 1.2 and 1.3 need");
        let builder = match (&self.client_ca_file, &contents.client_ca) {
            (Some(path), Some(pem)) => {
                let roots = authorities(path, pem)?;
                let verifier = WebPkiClientVerifier::builder_with_provider(roots, provider);
                let verifier = verifier
                    .build()
                    .expect("invariant: there is an authority, and nothing is revoked");
                builder.with_client_cert_verifier(verifier)
            }
            _ => builder.with_no_client_auth(),
        };
        let config = builder.with_single_cert(chain, key);
        let mut config = config.map_err(|source| TlsError::Pair {
            cert: self.cert_file.clone(),
            key: self.key_file.clone(),
            source,
        })?;
        config.alpn_protocols = PROTOCOLS.map(<[u8]>::to_vec).to_vec();
        Ok(config)
    }
}

fn authorities(path: &Path, pem: &[u8]) -> Result<Arc<RootCertStore>, TlsError> {
    let mut roots = RootCertStore::empty();
    for authority in certificates(path, pem)? {
        roots.add(authority).map_err(|source| TlsError::ClientCa {
            path: path.to_owned(),
            source,
        })?;
    }
    Ok(Arc::new(roots))
}

fn read(path: &Path) -> Result<Vec<u8>, TlsError> {
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(FILE_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(|source| TlsError::Read {
            path: path.to_owned(),
            source,
        })?;
    if bytes.len() as u64 > FILE_BYTES_MAX {
        return Err(TlsError::TooLong {
            path: path.to_owned(),
        });
    }
    Ok(bytes)
}

/// All certificates of a file, at least one.
fn certificates(path: &Path, pem: &[u8]) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let all: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(pem).collect();
    match all {
        Ok(all) if all.is_empty() => Err(no("certificate", path, pem::Error::NoItemsFound)),
        Ok(all) => Ok(all),
        Err(source) => Err(no("certificate", path, source)),
    }
}

fn no(what: &'static str, path: &Path, source: pem::Error) -> TlsError {
    TlsError::Pem {
        what,
        path: path.to_owned(),
        source,
    }
}
