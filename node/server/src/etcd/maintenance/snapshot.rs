//! The stream of a snapshot: a copy of the keys ([`super::copy`]) of one moment, and its SHA-256.
//!
//! The copy is written to a file without a name in the node's data folder first, since its length is told beforehand: the file is
//! gone when the stream ends, whoever ends it.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek};
use std::path::Path;

use bytes::Bytes;
use node_api::etcd::etcdserverpb::{Member, SnapshotResponse};
use node_engines::{ReadError, Reader};
use sha2::{Digest, Sha256};
use tokio::sync::mpsc::Sender;
use tonic::Status;

use super::CLUSTER_VERSION;
use super::copy::{self, CopyError};
use crate::etcd::errors::refused;
use crate::node::Node;

/// What one message holds of the copy.
const BLOB_BYTES: usize = 32 << 10;

/// What comes over the stream.
pub type Part = Result<SnapshotResponse, Status>;

/// Makes the copy and sends it. It blocks, on the disk and on whoever receives it. A state that cannot be read is told to the
/// caller.
pub fn send(node: &Node, members: &[Member], to: &Sender<Part>) -> Result<(), ReadError> {
    let is_wanted = || !to.is_closed() && !node.reserve().is_full();
    let room = node.reader().bytes() + node.limits().reserve_bytes;
    let space = node.reserve().space();
    let made = match space.is_none_or(|space| space.available_bytes > room) {
        true => make(node.reader(), node.dir(), members, is_wanted),
        false => Err(CopyError::GivenUp.into()),
    };
    let sent = made.and_then(|(file, bytes)| stream(file, bytes, to));
    let status = match sent {
        Ok(()) => return Ok(()),
        Err(NotSent::Refused(status)) => status,
        Err(NotSent::Copy(CopyError::Read(error))) => return Err(error),
        Err(NotSent::Copy(CopyError::GivenUp)) => {
            Status::resource_exhausted("the node's disk has no room for a copy of the keys")
        }
        Err(NotSent::Copy(CopyError::Write(error))) => {
            tracing::warn!(%error, "a snapshot for a client of etcd could not be made");
            Status::internal(format!("failed to write a copy of the keys: {error}"))
        }
    };
    // Nobody may be there to hear it.
    to.blocking_send(Err(status)).ok();
    Ok(())
}

enum NotSent {
    Refused(Status),
    Copy(CopyError),
}

impl<E: Into<CopyError>> From<E> for NotSent {
    fn from(error: E) -> NotSent {
        NotSent::Copy(error.into())
    }
}

fn make(
    reader: &Reader,
    dir: &Path,
    members: &[Member],
    is_wanted: impl Fn() -> bool,
) -> Result<(File, u64), NotSent> {
    let kept = reader.kept(None)?;
    let kept = kept.map_err(|rejection| NotSent::Refused(refused(rejection)))?;
    let mut file = tempfile::tempfile_in(dir)?;
    let bytes = copy::write(&kept, members, BufWriter::new(&mut file), is_wanted)?;
    file.rewind()?;
    Ok((file, bytes))
}

fn stream(file: File, bytes: u64, to: &Sender<Part>) -> Result<(), NotSent> {
    let mut file = BufReader::with_capacity(BLOB_BYTES, file);
    let (mut left, mut digest) = (bytes, Sha256::new());
    let part = |blob: Bytes, remaining_bytes: u64| {
        let part = SnapshotResponse {
            header: None,
            remaining_bytes,
            blob,
            version: CLUSTER_VERSION.to_owned(),
        };
        to.blocking_send(Ok(part))
            .map_err(|_gone| CopyError::GivenUp)
    };
    while left > 0 {
        let length = usize::try_from(left).unwrap_or(BLOB_BYTES).min(BLOB_BYTES);
        let mut blob = vec![0; length];
        file.read_exact(&mut blob)?;
        digest.update(&blob);
        left -= length as u64;
        part(blob.into(), left)?;
    }
    part(Bytes::copy_from_slice(&digest.finalize()), 0)?;
    Ok(())
}
