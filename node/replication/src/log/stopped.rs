//! The mark of a clean stop: where the log ended. With it there, nothing may be torn or missing.
//!
//! It is put in place by a rename after the last batch is durable, and gone, durably, before the next one is written.

use std::path::Path;

use bytes::{Buf, BufMut};
use node_host::Files;

use super::errors::{LogFailed, OpenError};
use super::format::VERSION;

const NAME: &str = "stopped";
/// Under this name it is written; a left-over means nothing.
pub(super) const TEMPORARY: &str = "stopped.new";
const MAGIC: &[u8; 8] = b"KLUSTEND";
const BYTES: usize = 44;

/// The end of a log: the segment, the offset in it, the sequence of the next batch, the checksum of the last.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct End {
    pub(super) segment: u64,
    pub(super) offset: u64,
    pub(super) batch: u64,
    pub(super) previous: u32,
}

impl End {
    fn encode(self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(BYTES);
        bytes.put_slice(MAGIC);
        bytes.put_u16(VERSION);
        bytes.put_u16(0);
        bytes.put_u64(self.segment);
        bytes.put_u64(self.offset);
        bytes.put_u64(self.batch);
        bytes.put_u32(self.previous);
        bytes.put_u32(crc32c::crc32c(&bytes));
        bytes
    }

    fn decode(file: &Path, bytes: &[u8]) -> Result<End, OpenError> {
        let damaged = |what: &str| OpenError::damaged(file, 0, what);
        let short = || damaged("the mark of a clean stop is too short");
        let mut rest = bytes
            .strip_prefix(MAGIC)
            .ok_or_else(|| damaged("the mark of a clean stop is none"))?;
        match rest.try_get_u16().map_err(|_| short())? {
            VERSION => {}
            found if found > VERSION => {
                let file = file.to_owned();
                return Err(OpenError::FromTheFuture {
                    file,
                    found,
                    known: VERSION,
                });
            }
            _ => return Err(damaged("the mark of a clean stop has no version")),
        }
        let covered = bytes.get(..BYTES - 4).ok_or_else(short)?;
        let mut crc = bytes.get(BYTES - 4..).ok_or_else(short)?;
        if crc.try_get_u32().map_err(|_| short())? != crc32c::crc32c(covered) || !crc.is_empty() {
            return Err(damaged("the mark of a clean stop is damaged"));
        }
        rest.advance(2);
        Ok(End {
            segment: rest.get_u64(),
            offset: rest.get_u64(),
            batch: rest.get_u64(),
            previous: rest.get_u32(),
        })
    }

    /// The mark, if there is one.
    pub(super) fn read(files: &dyn Files, dir: &Path) -> Result<Option<End>, OpenError> {
        let path = dir.join(NAME);
        let error = |action| OpenError::files(action, &path);
        if !files.exists(&path).map_err(error("look for"))? {
            return Ok(None);
        }
        let file = files.open(&path).map_err(error("open"))?;
        let len = file.len().map_err(error("measure"))?;
        let mut bytes = vec![0; usize::try_from(len).unwrap_or(usize::MAX).min(2 * BYTES)];
        file.read_exact_at(&mut bytes, 0).map_err(error("read"))?;
        End::decode(&path, &bytes).map(Some)
    }

    /// Leaves the mark, durably.
    pub(super) async fn write(self, files: &dyn Files, dir: &Path) -> Result<(), LogFailed> {
        let temporary = dir.join(TEMPORARY);
        let error = |action| LogFailed::disk(action, &temporary);
        let bytes = self.encode();
        let file = files
            .create(&temporary, bytes.len() as u64)
            .map_err(error("create"))?;
        file.write_all_at(&bytes, 0).map_err(error("write"))?;
        file.sync_data().await.map_err(error("sync"))?;
        files
            .rename(&temporary, &dir.join(NAME))
            .map_err(error("rename"))?;
        files.sync_dir(dir).map_err(LogFailed::disk("sync", dir))
    }

    /// Takes the mark away; durable with the next sync of the folder.
    pub(super) fn remove(files: &dyn Files, dir: &Path) -> Result<(), OpenError> {
        let path = dir.join(NAME);
        files
            .remove(&path)
            .map_err(OpenError::files("remove", &path))
    }
}
