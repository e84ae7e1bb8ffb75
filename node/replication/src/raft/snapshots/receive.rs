//! Takes a snapshot file from a peer, piece by piece.

use std::io;
use std::path::PathBuf;
use std::sync::Arc;

use bytes::Bytes;
use node_host::{File, Host};

use crate::raft::snapshots::file::{SnapshotFile, damaged};

/// What became of a piece.
#[derive(Debug, PartialEq, Eq)]
pub enum Put {
    /// It is there.
    Done,
    /// Another one is due, as after a break, or it is longer than the snapshot: nothing was written.
    OutOfTurn {
        /// The byte that is due.
        due: u64,
    },
}

/// A snapshot that is on its way. Dropped before its end, it leaves no file.
pub struct Receiving {
    host: Host,
    path: PathBuf,
    file: Arc<dyn File>,
    written: u64,
    bytes: u64,
    digest: [u8; 32],
    finished: bool,
}

impl Receiving {
    pub(super) fn begin(
        host: Host,
        path: PathBuf,
        bytes: u64,
        digest: [u8; 32],
    ) -> io::Result<Receiving> {
        let file = host.files.create(&path, 0)?;
        Ok(Receiving {
            host,
            path,
            file,
            written: 0,
            bytes,
            digest,
            finished: false,
        })
    }

    /// True when it is the snapshot of this length and digest.
    pub fn is_of(&self, bytes: u64, digest: [u8; 32]) -> bool {
        (self.bytes, self.digest) == (bytes, digest)
    }

    /// Bytes that came.
    pub fn written(&self) -> u64 {
        self.written
    }

    /// Writes the next piece; one that came before is passed over. An error is the disk's. Blocks: to be called on a worker.
    pub fn put(&mut self, at: u64, piece: &Bytes) -> io::Result<Put> {
        if at.saturating_add(piece.len() as u64) <= self.written {
            return Ok(Put::Done);
        }
        if at != self.written || self.written + piece.len() as u64 > self.bytes {
            return Ok(Put::OutOfTurn { due: self.written });
        }
        self.file.write_all_at(piece, at)?;
        self.written += piece.len() as u64;
        Ok(Put::Done)
    }

    /// Checks that all is there and as it was sent, and syncs it. Blocks: to be called on a worker.
    pub async fn finish(mut self) -> io::Result<PathBuf> {
        if self.written != self.bytes {
            return Err(damaged(format!(
                "{} of {} bytes came",
                self.written, self.bytes
            )));
        }
        let whole = SnapshotFile::open(&*self.host.files, &self.path)?;
        if whole.digest() != self.digest {
            return Err(damaged("another snapshot came than was announced"));
        }
        whole.verify()?;
        self.file.sync_data().await?;
        self.finished = true;
        Ok(self.path.clone())
    }
}

impl Drop for Receiving {
    fn drop(&mut self) {
        if !self.finished {
            // The next start removes what stays.
            if let Err(error) = self.host.files.remove(&self.path) {
                tracing::debug!(%error, "failed to remove an unfinished snapshot");
            }
        }
    }
}
