//! A snapshot file that is whole, to read from.

use std::fmt;
use std::io;
use std::path::Path;
use std::sync::Arc;

use bytes::{BufMut, Bytes, BytesMut};
use node_host::{File, Files};
use sha2::{Digest, Sha256};

use crate::contract::Applied;
use crate::ids::ClusterId;
use crate::wire::{Malformed, Reader, Write};

pub const MAGIC: [u8; 4] = *b"KLSN";
pub const VERSION: u16 = 1;
/// The one ordered log a cluster has today.
const LOG_NUMBER: u32 = 0;
/// The length of the head, before the head.
const HEAD_LEN_BYTES: usize = 4 + 2 + 4;
const HEAD_BYTES_MAX: usize = 16 << 20;
/// A length of 0, the number of chunks, the digest, a checksum.
pub const END_BYTES: usize = 4 + 8 + 32 + 4;
/// A length and a checksum, before each chunk.
pub const CHUNK_HEAD_BYTES: usize = 4 + 4;
pub const CHUNK_BYTES_MAX: usize = 2 << 20;

/// What a snapshot says of itself before its content.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    pub cluster: Option<ClusterId>,
    pub incarnation: u32,
    pub applied: Applied,
}

impl Head {
    pub fn encode(&self) -> Bytes {
        let mut head = BytesMut::new();
        head.put_u32(LOG_NUMBER);
        head.option(self.cluster, |out, id| out.put_slice(&id.0));
        head.put_u32(self.incarnation);
        head.log_id(self.applied.last);
        head.option(self.applied.membership_at, |out, id| out.log_id(id));
        head.blob(&self.applied.membership);
        let removed = self.applied.removed.len();
        head.put_u32(u32::try_from(removed).expect("invariant: few members are ever removed"));
        self.applied.removed.iter().for_each(|id| head.put_u64(*id));
        let mut out = BytesMut::with_capacity(HEAD_LEN_BYTES + head.len() + 4);
        out.put_slice(&MAGIC);
        out.put_u16(VERSION);
        out.blob(&head);
        out.put_u32(crc32c::crc32c(&out));
        out.freeze()
    }

    fn decode(bytes: Bytes) -> Result<Head, Malformed> {
        let mut reader = Reader::new(bytes);
        if reader.u32()? != LOG_NUMBER {
            return Err(Malformed("the snapshot is of another log"));
        }
        let cluster = reader.option(Reader::cluster)?;
        let incarnation = reader.u32()?;
        let mut applied = Applied {
            last: reader.log_id()?,
            ..Applied::default()
        };
        applied.membership_at = reader.option(Reader::log_id)?;
        applied.membership = reader.blob()?;
        for _ in 0..reader.u32()? {
            applied.removed.insert(reader.u64()?);
        }
        reader.end()?;
        Ok(Head {
            cluster,
            incarnation,
            applied,
        })
    }
}

/// A snapshot file that is whole. A clone reads the same file, which stays readable after it was let go.
#[derive(Clone)]
pub struct SnapshotFile {
    file: Arc<dyn File>,
    head: Arc<Head>,
    content_at: u64,
    len: u64,
    digest: [u8; 32],
}

impl fmt::Debug for SnapshotFile {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "SnapshotFile({}, {} bytes)",
            self.head.applied.last, self.len
        )
    }
}

pub fn damaged(why: impl Into<String>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why.into())
}

fn malformed(error: Malformed) -> io::Error {
    damaged(error.to_string())
}

fn read(file: &dyn File, at: u64, len: usize) -> io::Result<Bytes> {
    let mut bytes = vec![0; len];
    file.read_exact_at(&mut bytes, at)?;
    Ok(bytes.into())
}

impl SnapshotFile {
    /// Opens a file and checks its head and its end, not what is between.
    pub fn open(files: &dyn Files, path: &Path) -> io::Result<SnapshotFile> {
        let file = files.open(path)?;
        let len = file.len()?;
        let mut start = Reader::new(read(&*file, 0, HEAD_LEN_BYTES)?);
        if start.array().map_err(malformed)? != MAGIC {
            return Err(damaged("the file is no snapshot"));
        }
        match start.u16().map_err(malformed)? {
            VERSION => {}
            found => {
                return Err(damaged(format!(
                    "the snapshot has format {found}, this program knows up to {VERSION}"
                )));
            }
        }
        let head_len = start.u32().map_err(malformed)? as usize;
        if head_len > HEAD_BYTES_MAX {
            return Err(damaged("the head of the snapshot is too long"));
        }
        let whole = read(&*file, 0, HEAD_LEN_BYTES + head_len + 4)?;
        let (covered, crc) = whole.split_at(HEAD_LEN_BYTES + head_len);
        if crc != crc32c::crc32c(covered).to_be_bytes() {
            return Err(damaged("the head of the snapshot is damaged"));
        }
        let head = Head::decode(whole.slice(HEAD_LEN_BYTES..HEAD_LEN_BYTES + head_len))
            .map_err(malformed)?;
        let content_at = whole.len() as u64;
        let digest = read_end(&*file, content_at, len)?;
        Ok(SnapshotFile {
            file,
            head: Arc::new(head),
            content_at,
            len,
            digest,
        })
    }

    /// How far the snapshot has come.
    pub fn applied(&self) -> &Applied {
        &self.head.applied
    }

    pub fn head(&self) -> &Head {
        &self.head
    }

    pub fn len(&self) -> u64 {
        self.len
    }

    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Raw bytes of the file.
    pub fn read(&self, at: u64, len: usize) -> io::Result<Bytes> {
        read(&*self.file, at, len)
    }

    /// The chunks of the machine, each checked.
    pub fn chunks(&self) -> Chunks {
        Chunks {
            file: self.clone(),
            at: self.content_at,
            failed: false,
        }
    }

    /// Reads everything and compares the digest.
    pub fn verify(&self) -> io::Result<()> {
        let covered = self.len - END_BYTES as u64;
        let (mut digest, mut at) = (Sha256::new(), 0);
        while at < covered {
            let len = (covered - at).min(CHUNK_BYTES_MAX as u64);
            digest.update(self.read(at, usize::try_from(len).unwrap_or(CHUNK_BYTES_MAX))?);
            at += len;
        }
        if digest.finalize()[..] != self.digest {
            return Err(damaged("the digest of the snapshot is wrong"));
        }
        self.chunks().try_for_each(|chunk| chunk.map(drop))
    }
}

fn read_end(file: &dyn File, content_at: u64, len: u64) -> io::Result<[u8; 32]> {
    let at = len
        .checked_sub(END_BYTES as u64)
        .filter(|at| *at >= content_at)
        .ok_or_else(|| damaged("the snapshot has no end"))?;
    let end = read(file, at, END_BYTES)?;
    let (covered, crc) = end.split_at(END_BYTES - 4);
    if crc != crc32c::crc32c(covered).to_be_bytes() {
        return Err(damaged("the end of the snapshot is damaged"));
    }
    let mut reader = Reader::new(end.slice(..END_BYTES - 4));
    if reader.u32().map_err(malformed)? != 0 {
        return Err(damaged("the end of the snapshot is none"));
    }
    reader.u64().map_err(malformed)?;
    reader.array().map_err(malformed)
}

/// The chunks of a snapshot, in order. After an error there are no more.
pub struct Chunks {
    file: SnapshotFile,
    at: u64,
    failed: bool,
}

impl Chunks {
    fn chunk(&mut self) -> io::Result<Option<Bytes>> {
        let end = self.file.len - END_BYTES as u64;
        if self.at == end {
            return Ok(None);
        }
        let mut head = Reader::new(self.file.read(self.at, CHUNK_HEAD_BYTES)?);
        let len = head.u32().map_err(malformed)? as usize;
        let crc = head.u32().map_err(malformed)?;
        let next = self.at + (CHUNK_HEAD_BYTES + len) as u64;
        if len == 0 || len > CHUNK_BYTES_MAX || next > end {
            return Err(damaged(format!(
                "a chunk of the snapshot claims {len} bytes"
            )));
        }
        let chunk = self.file.read(self.at + CHUNK_HEAD_BYTES as u64, len)?;
        if crc32c::crc32c(&chunk) != crc {
            return Err(damaged(format!(
                "the chunk at {} of the snapshot is damaged",
                self.at
            )));
        }
        self.at = next;
        Ok(Some(chunk))
    }
}

impl Iterator for Chunks {
    type Item = io::Result<Bytes>;

    fn next(&mut self) -> Option<io::Result<Bytes>> {
        if self.failed {
            return None;
        }
        let chunk = self.chunk();
        self.failed = chunk.is_err();
        chunk.transpose()
    }
}
