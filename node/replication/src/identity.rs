//! Who this node is, as its own disk says: drawn once, changed only by bootstrap or by joining a cluster.

use std::fmt;
use std::io;
use std::path::Path;

use ed25519_dalek::{Signer, SigningKey, VerifyingKey};
use node_host::{Files, Host};

use crate::blocking;
use crate::ids::{ClusterId, MemberId};

const NAME: &str = "identity";
const TEMPORARY: &str = "identity.new";
const MAGIC: [u8; 4] = *b"KLID";
const VERSION: u16 = 1;
const ALONE: u8 = 0;
const BELONGS: u8 = 1;
const FOUNDS: u8 = 2;
/// magic, version, member, standing, cluster, incarnation, secret, crc32c
const BYTES: usize = 4 + 2 + 8 + 1 + 16 + 4 + 32 + 4;

/// Who this node is. The signing key proves the member id to peers once it is registered with them.
#[derive(Clone)]
pub struct Identity {
    /// The id drawn on the empty disk.
    pub member: MemberId,
    /// The cluster this disk belongs to, once it does.
    pub cluster: Option<ClusterId>,
    /// The incarnation of the cluster's data.
    pub incarnation: u32,
    /// A bootstrap began on this disk and may not have reached the log yet.
    pub(crate) founding: bool,
    signing: SigningKey,
}

impl fmt::Debug for Identity {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("member", &self.member)
            .field("cluster", &self.cluster)
            .field("incarnation", &self.incarnation)
            .finish_non_exhaustive()
    }
}

/// The identity on disk is not usable.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// The file could not be read or written.
    #[error("failed to {action}")]
    Files {
        /// What was tried.
        action: &'static str,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The file is not an identity, or a damaged one.
    #[error("failed to read the identity file: {0}")]
    Damaged(&'static str),
    /// The file was written by a newer program.
    #[error(
        "failed to read the identity file: it has format {found}, this program knows up to {VERSION}"
    )]
    FromTheFuture {
        /// The format found.
        found: u16,
    },
}

fn files(action: &'static str) -> impl FnOnce(io::Error) -> IdentityError {
    move |source| IdentityError::Files { action, source }
}

impl Identity {
    /// Reads the identity of the node whose folder this is, or draws one and writes it when there is none.
    /// Durable on return.
    pub async fn load_or_draw(host: &Host, dir: &Path) -> Result<Identity, IdentityError> {
        let (worker_host, dir) = (host.clone(), dir.to_owned());
        blocking::run(host, "identity", async move {
            let files_of = &*worker_host.files;
            files_of
                .create_dir_all(&dir)
                .map_err(files("create the data folder"))?;
            if files_of
                .exists(&dir.join(NAME))
                .map_err(files("look for the identity file"))?
            {
                return Identity::load(files_of, &dir);
            }
            let identity = Identity::draw(&worker_host);
            identity.write(files_of, &dir).await?;
            Ok(identity)
        })
        .await
        .map_err(files("run a worker"))?
    }

    /// A fresh identity that belongs to no cluster. It is not stored.
    pub(crate) fn draw(host: &Host) -> Identity {
        let mut secret = [0; 32];
        host.random.fill(&mut secret);
        let member = loop {
            match host.random.u64() {
                0 => continue,
                drawn => break MemberId(drawn),
            }
        };
        let signing = SigningKey::from_bytes(&secret);
        Identity {
            member,
            cluster: None,
            incarnation: 0,
            founding: false,
            signing,
        }
    }

    fn load(files_of: &dyn Files, dir: &Path) -> Result<Identity, IdentityError> {
        let file = files_of
            .open(&dir.join(NAME))
            .map_err(files("open the identity file"))?;
        let len = file.len().map_err(files("measure the identity file"))?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(4 * BYTES)];
        file.read_exact_at(&mut bytes, 0)
            .map_err(files("read the identity file"))?;
        Identity::decode(&bytes)
    }

    /// Writes the identity so that a crash leaves the old one or this one. Durable on return.
    pub(crate) async fn store(&self, host: &Host, dir: &Path) -> Result<(), IdentityError> {
        let (identity, worker_host, dir) = (self.clone(), host.clone(), dir.to_owned());
        let work = async move { identity.write(&*worker_host.files, &dir).await };
        blocking::run(host, "identity", work)
            .await
            .map_err(files("run a worker"))?
    }

    async fn write(&self, files_of: &dyn Files, dir: &Path) -> Result<(), IdentityError> {
        let temporary = dir.join(TEMPORARY);
        if files_of
            .exists(&temporary)
            .map_err(files("look for a left-over identity file"))?
        {
            files_of
                .remove(&temporary)
                .map_err(files("remove a left-over identity file"))?;
        }
        let bytes = self.encode();
        let file = files_of
            .create(&temporary, bytes.len() as u64)
            .map_err(files("create the new identity file"))?;
        file.write_all_at(&bytes, 0)
            .map_err(files("write the new identity file"))?;
        file.sync_data()
            .await
            .map_err(files("sync the new identity file"))?;
        files_of
            .rename(&temporary, &dir.join(NAME))
            .map_err(files("put the new identity file in place"))?;
        files_of
            .sync_dir(dir)
            .map_err(files("sync the data folder"))
    }

    fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.extend_from_slice(&MAGIC);
        bytes.extend_from_slice(&VERSION.to_be_bytes());
        bytes.extend_from_slice(&self.member.0.to_be_bytes());
        bytes.push(match (self.cluster, self.founding) {
            (None, _) => ALONE,
            (Some(_), false) => BELONGS,
            (Some(_), true) => FOUNDS,
        });
        bytes.extend_from_slice(&self.cluster.map_or([0; 16], |id| id.0));
        bytes.extend_from_slice(&self.incarnation.to_be_bytes());
        bytes.extend_from_slice(&self.signing.to_bytes());
        bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Identity, IdentityError> {
        let damaged = IdentityError::Damaged;
        let rest = bytes
            .strip_prefix(&MAGIC)
            .ok_or(damaged("it does not begin as one"))?;
        let (version, rest) = rest.split_first_chunk().ok_or(damaged("it is too short"))?;
        match u16::from_be_bytes(*version) {
            VERSION => {}
            found => return Err(IdentityError::FromTheFuture { found }),
        }
        let body: &[u8; BYTES - 6] = rest
            .try_into()
            .map_err(|_| damaged("it has the wrong length"))?;
        let (covered, crc) = bytes.split_at(BYTES - 4);
        if crc != crc32c::crc32c(covered).to_be_bytes() {
            return Err(damaged("its checksum is wrong"));
        }
        let (member, rest) = body
            .split_first_chunk::<8>()
            .ok_or(damaged("it is too short"))?;
        let (standing, rest) = rest.split_first().ok_or(damaged("it is too short"))?;
        let (cluster, rest) = rest
            .split_first_chunk::<16>()
            .ok_or(damaged("it is too short"))?;
        let (incarnation, rest) = rest
            .split_first_chunk::<4>()
            .ok_or(damaged("it is too short"))?;
        let (secret, _) = rest
            .split_first_chunk::<32>()
            .ok_or(damaged("it is too short"))?;
        Ok(Identity {
            member: MemberId(u64::from_be_bytes(*member)),
            cluster: (*standing != ALONE).then_some(ClusterId(*cluster)),
            incarnation: u32::from_be_bytes(*incarnation),
            founding: *standing == FOUNDS,
            signing: SigningKey::from_bytes(secret),
        })
    }

    /// The credential that peers register.
    pub fn public_key(&self) -> [u8; 32] {
        self.signing.verifying_key().to_bytes()
    }

    /// Proves to whoever knows the public key that this node said `message`.
    pub(crate) fn sign(&self, message: &[u8]) -> [u8; 64] {
        self.signing.sign(message).to_bytes()
    }
}

/// Whether the owner of `key` signed `message`.
pub(crate) fn signed_by(key: &[u8; 32], message: &[u8], signature: &[u8; 64]) -> bool {
    let Ok(key) = VerifyingKey::from_bytes(key) else {
        return false;
    };
    key.verify_strict(message, &ed25519_dalek::Signature::from_bytes(signature))
        .is_ok()
}

#[cfg(test)]
#[path = "identity_tests.rs"]
mod tests;
