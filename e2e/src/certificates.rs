//! A certificate authority in memory, and what it signs for the parts of a Kubernetes.
//!
//! Nothing is read back from disk: whoever needs certificates makes them all at once and writes them.

use std::net::IpAddr;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, SanType,
};

/// A certificate and its private key, both PEM.
#[derive(Clone, Debug)]
pub struct Identity {
    /// The certificate.
    pub certificate: String,
    /// The private key (PKCS #8).
    pub key: String,
}

/// Where an [`Identity`] was written.
#[derive(Clone, Debug)]
pub struct IdentityFiles {
    /// File of the certificate.
    pub certificate: PathBuf,
    /// File of the private key, readable by its owner alone.
    pub key: PathBuf,
}

impl Identity {
    /// Writes `<name>.crt` and `<name>.key` into `folder`.
    pub fn write(&self, folder: &Path, name: &str) -> Result<IdentityFiles> {
        let files = IdentityFiles {
            certificate: folder.join(format!("{name}.crt")),
            key: folder.join(format!("{name}.key")),
        };
        write_private(&files.certificate, &self.certificate)?;
        write_private(&files.key, &self.key)?;
        Ok(files)
    }
}

/// Writes a file that only its owner may read.
pub fn write_private(path: &Path, text: &str) -> Result<()> {
    use std::io::Write;
    use std::os::unix::fs::OpenOptionsExt;
    std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(path)
        .and_then(|mut file| file.write_all(text.as_bytes()))
        .with_context(|| format!("failed to write {}", path.display()))
}

/// A certificate authority whose key lives in memory.
pub struct Authority {
    issuer: Issuer<'static, KeyPair>,
    identity: Identity,
}

impl Authority {
    /// Draws a new key and signs itself.
    pub fn generate(common_name: &str) -> Result<Self> {
        let key = KeyPair::generate().context("failed to generate a key")?;
        let mut params = params(common_name, &[])?;
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyCertSign,
            KeyUsagePurpose::CrlSign,
        ];
        let certificate = params
            .self_signed(&key)
            .context("failed to sign the authority's certificate")?;
        let identity = Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        };
        Ok(Self {
            issuer: Issuer::new(params, key),
            identity,
        })
    }

    /// The authority's own certificate and key.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Signs a client certificate: the API server reads the user from `name` and the groups from `groups`.
    pub fn client(&self, name: &str, groups: &[&str]) -> Result<Identity> {
        let mut params = params(name, groups)?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(params)
    }

    /// Signs a server certificate for `hosts` (addresses or DNS names).
    pub fn server(&self, name: &str, hosts: &[&str]) -> Result<Identity> {
        let mut params = params(name, &[])?;
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        for host in hosts {
            params.subject_alt_names.push(match host.parse::<IpAddr>() {
                Ok(address) => SanType::IpAddress(address),
                Err(_) => SanType::DnsName(
                    (*host)
                        .try_into()
                        .with_context(|| format!("bad host name {host}"))?,
                ),
            });
        }
        self.sign(params)
    }

    fn sign(&self, mut params: CertificateParams) -> Result<Identity> {
        params.key_usages = vec![
            KeyUsagePurpose::DigitalSignature,
            KeyUsagePurpose::KeyEncipherment,
        ];
        let key = KeyPair::generate().context("failed to generate a key")?;
        let certificate = params
            .signed_by(&key, &self.issuer)
            .context("failed to sign a certificate")?;
        Ok(Identity {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
        })
    }
}

/// Where the key pair that signs ServiceAccount tokens was written.
#[derive(Clone, Debug)]
pub struct TokenKeyFiles {
    /// File of the private key, which signs.
    pub private: PathBuf,
    /// File of the public key, which checks.
    pub public: PathBuf,
}

/// Draws a key pair that signs ServiceAccount tokens and writes `token.key` and `token.pub` into `folder`.
pub fn write_token_key(folder: &Path) -> Result<TokenKeyFiles> {
    let key = KeyPair::generate().context("failed to generate a key")?;
    let files = TokenKeyFiles {
        private: folder.join("token.key"),
        public: folder.join("token.pub"),
    };
    write_private(&files.private, &key.serialize_pem())?;
    write_private(&files.public, &key.public_key_pem())?;
    Ok(files)
}

fn params(common_name: &str, groups: &[&str]) -> Result<CertificateParams> {
    let mut params =
        CertificateParams::new(Vec::<String>::new()).context("failed to prepare a certificate")?;
    params.distinguished_name = rcgen::DistinguishedName::new();
    params
        .distinguished_name
        .push(DnType::CommonName, common_name);
    for group in groups {
        params
            .distinguished_name
            .push(DnType::OrganizationName, *group);
    }
    Ok(params)
}
