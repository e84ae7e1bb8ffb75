//! The note of a recovery that was decided: a small file, there whole or not at all.

use std::io;
use std::path::Path;

use bytes::{BufMut, Bytes, BytesMut};
use node_host::{Files, Host};

use crate::blocking;
use crate::errors::StartError;
use crate::ids::{LogId, MemberId};
use crate::wire::{Malformed, Reader, Write};

const NAME: &str = "recovery";
const TEMPORARY: &str = "recovery.new";
const MAGIC: [u8; 4] = *b"KLRC";
const VERSION: u16 = 1;
const CRC_BYTES: usize = 4;
/// A stamped entry of the machine and a membership of one are far shorter.
const BYTES_MAX: u64 = 1 << 20;

/// What was decided.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Note {
    /// The survivor.
    pub member: MemberId,
    /// The incarnation that begins.
    pub incarnation: u32,
    /// The end of the log when it was decided. What the recovery appends comes behind it.
    pub after: LogId,
    /// The entry that tells the machine.
    pub command: Bytes,
    /// The membership of the survivor alone.
    pub membership: Bytes,
}

impl Note {
    fn encode(&self) -> Bytes {
        let mut out = BytesMut::new();
        out.put_slice(&MAGIC);
        out.put_u16(VERSION);
        out.put_u64(self.member.0);
        out.put_u32(self.incarnation);
        out.log_id(self.after);
        out.blob(&self.command);
        out.blob(&self.membership);
        out.put_u32(crc32c::crc32c(&out));
        out.freeze()
    }

    fn decode(bytes: &Bytes) -> Result<Note, Malformed> {
        let covered = bytes.len().checked_sub(CRC_BYTES);
        let covered = covered.ok_or(Malformed("the note is too short"))?;
        let mut reader = Reader::new(bytes.slice(..covered));
        if reader.array()? != MAGIC {
            return Err(Malformed("the note does not begin as one"));
        }
        if reader.u16()? != VERSION {
            return Err(Malformed("the note has a format from the future"));
        }
        if Reader::new(bytes.slice(covered..)).u32()? != crc32c::crc32c(&bytes.slice(..covered)) {
            return Err(Malformed("the checksum of the note is wrong"));
        }
        let note = Note {
            member: reader.member()?,
            incarnation: reader.u32()?,
            after: reader.log_id()?,
            command: reader.blob()?,
            membership: reader.blob()?,
        };
        reader.end()?;
        Ok(note)
    }

    /// Leaves the note. Durable on return; after an error it may be there or not.
    pub async fn leave(&self, host: &Host, dir: &Path) -> io::Result<()> {
        let (files, dir, bytes) = (host.files.clone(), dir.to_owned(), self.encode());
        let leave = async move {
            let temporary = dir.join(TEMPORARY);
            if files.exists(&temporary)? {
                files.remove(&temporary)?;
            }
            let file = files.create(&temporary, bytes.len() as u64)?;
            file.write_all_at(&bytes, 0)?;
            file.sync_data().await?;
            files.rename(&temporary, &dir.join(NAME))?;
            files.sync_dir(&dir)
        };
        blocking::run(host, "recovery", leave).await?
    }

    /// The note, if one was left.
    pub async fn find(host: &Host, dir: &Path) -> Result<Option<Note>, StartError> {
        let (files, path) = (host.files.clone(), dir.join(NAME));
        let read = async move { read(&*files, &path) };
        let bytes = blocking::run(host, "recovery", read).await;
        let bytes = bytes.and_then(|read| read).map_err(files_failed)?;
        let note = bytes.as_ref().map(Note::decode).transpose();
        note.map_err(|Malformed(why)| StartError::Recovery(why))
    }

    /// Takes the note away: all of it was done. Durable on return.
    pub async fn forget(host: &Host, dir: &Path) -> Result<(), StartError> {
        let (files, dir) = (host.files.clone(), dir.to_owned());
        let forget = async move {
            files.remove(&dir.join(NAME))?;
            files.sync_dir(&dir)
        };
        let forgotten = blocking::run(host, "recovery", forget).await;
        forgotten.and_then(|done| done).map_err(files_failed)
    }
}

fn files_failed(source: io::Error) -> StartError {
    StartError::Files {
        action: "read or remove the note of a recovery",
        source,
    }
}

fn read(files: &dyn Files, path: &Path) -> io::Result<Option<Bytes>> {
    if !files.exists(path)? {
        return Ok(None);
    }
    let file = files.open(path)?;
    let len = file.len()?.min(BYTES_MAX);
    let mut bytes = vec![0; usize::try_from(len).map_err(io::Error::other)?];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes.into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note() -> Note {
        Note {
            member: MemberId(0x0102_0304_0506_0708),
            incarnation: 3,
            after: LogId {
                term: 5,
                leader: 9,
                index: 1000,
            },
            command: Bytes::from_static(b"a command"),
            membership: Bytes::from_static(b"a membership"),
        }
    }

    #[tokio::test]
    async fn it_is_there_until_it_is_forgotten() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        assert_eq!(Note::find(&host, dir.path()).await.unwrap(), None);
        for _ in 0..2 {
            note().leave(&host, dir.path()).await.unwrap();
        }
        assert_eq!(Note::find(&host, dir.path()).await.unwrap(), Some(note()));
        Note::forget(&host, dir.path()).await.unwrap();
        assert_eq!(Note::find(&host, dir.path()).await.unwrap(), None);
    }

    #[test]
    fn the_first_format_stays_readable() {
        let fixture = include_str!("../../../testdata/v1/recovery.hex");
        let bytes = hex::decode(fixture.split_whitespace().collect::<String>()).unwrap();
        assert_eq!(note().encode(), bytes);
        assert_eq!(Note::decode(&bytes.into()), Ok(note()));
    }

    #[test]
    fn every_damaged_byte_and_every_cut_is_noticed() {
        let good = note().encode();
        for at in 0..good.len() {
            assert!(Note::decode(&good.slice(..at)).is_err(), "cut at {at}");
            let mut bad = good.to_vec();
            bad[at] ^= 1;
            assert!(Note::decode(&bad.into()).is_err(), "byte {at}");
        }
    }
}
