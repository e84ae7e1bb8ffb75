//! Writes a snapshot file from an export.

use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::{BufMut, BytesMut};
use node_host::{File, Files};
use sha2::{Digest, Sha256};

use crate::contract::Export;
use crate::identity::Identity;
use crate::raft::snapshots::file::{CHUNK_BYTES_MAX, Head, damaged};

struct Writer {
    file: Arc<dyn File>,
    at: u64,
    digest: Sha256,
}

impl Writer {
    fn put(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all_at(bytes, self.at)?;
        self.at += bytes.len() as u64;
        self.digest.update(bytes);
        Ok(())
    }
}

/// Writes everything and syncs it; the name is the caller's business.
pub async fn write(
    files: &dyn Files,
    path: &Path,
    identity: &Identity,
    mut export: Box<dyn Export>,
) -> io::Result<()> {
    let file = files.create(path, 0)?;
    let mut writer = Writer {
        file,
        at: 0,
        digest: Sha256::new(),
    };
    let head = Head {
        cluster: identity.cluster,
        incarnation: identity.incarnation,
        applied: export.applied(),
    };
    writer.put(&head.encode())?;
    let mut chunks = 0_u64;
    while let Some(chunk) = export.next().map_err(io::Error::other)? {
        if chunk.is_empty() || chunk.len() > CHUNK_BYTES_MAX {
            return Err(damaged(format!(
                "the machine exported a chunk of {} bytes",
                chunk.len()
            )));
        }
        let mut out = BytesMut::with_capacity(8 + chunk.len());
        out.put_u32(u32::try_from(chunk.len()).expect("invariant: a chunk is small"));
        out.put_u32(crc32c::crc32c(&chunk));
        out.put_slice(&chunk);
        writer.put(&out)?;
        chunks += 1;
    }
    let mut end = BytesMut::new();
    end.put_u32(0);
    end.put_u64(chunks);
    end.put_slice(&writer.digest.clone().finalize());
    end.put_u32(crc32c::crc32c(&end));
    writer.put(&end)?;
    writer.file.sync_data().await
}
