//! A cluster that this node founds and whose first entry is not in its log yet: kept on disk, so that a crash between the
//! two steps of a bootstrap is finished and never repeated with other numbers.

use std::io;
use std::path::Path;

use node_host::{Files, Host};

use crate::aside::write_once;
use crate::errors::StartError;
use crate::work;

const NAME: &str = "founding";
const MAGIC: &[u8; 4] = b"KLFO";
const VERSION: u16 = 1;
const BYTES: usize = 4 + 2 + 4 + 4;

fn encode(voters: u32) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(BYTES);
    bytes.extend_from_slice(MAGIC);
    bytes.extend_from_slice(&VERSION.to_be_bytes());
    bytes.extend_from_slice(&voters.to_be_bytes());
    bytes.extend_from_slice(&crc32c::crc32c(&bytes).to_be_bytes());
    bytes
}

/// The voters that the cluster to be founded shall have, if this disk is in the middle of founding one.
pub async fn read(host: &Host, dir: &Path) -> Result<Option<u32>, StartError> {
    let (files, path) = (host.files.clone(), dir.join(NAME));
    let bytes = work::run(host, "founding", async move { read_file(&*files, &path) })
        .await
        .and_then(|read| read)
        .map_err(StartError::files("read whether a cluster is being founded"))?;
    bytes.as_deref().map(decode).transpose()
}

fn read_file(files: &dyn Files, path: &Path) -> io::Result<Option<Vec<u8>>> {
    if !files.exists(path)? {
        return Ok(None);
    }
    let file = files.open(path)?;
    let mut bytes = vec![
        0;
        usize::try_from(file.len()?)
            .unwrap_or(usize::MAX)
            .min(2 * BYTES)
    ];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(Some(bytes))
}

fn decode(bytes: &[u8]) -> Result<u32, StartError> {
    let damaged = |why| StartError::Damaged { name: NAME, why };
    let rest = bytes
        .strip_prefix(MAGIC)
        .ok_or(damaged("it does not begin as one"))?;
    let (version, rest) = rest.split_first_chunk().ok_or(damaged("it is too short"))?;
    if u16::from_be_bytes(*version) != VERSION {
        return Err(damaged("it is of a format that this program does not know"));
    }
    let (voters, crc) = rest.split_first_chunk().ok_or(damaged("it is too short"))?;
    let voters = u32::from_be_bytes(*voters);
    match crc == crc32c::crc32c(bytes.get(..BYTES - 4).unwrap_or_default()).to_be_bytes() {
        true => Ok(voters),
        false => Err(damaged("its checksum is wrong")),
    }
}

/// Notes that a cluster of so many voters is being founded. Durable on return.
pub async fn begin(host: &Host, dir: &Path, voters: u32) -> io::Result<()> {
    let (files, dir) = (host.files.clone(), dir.to_owned());
    let work = async move { write_once(&*files, &dir, NAME, &encode(voters)).await };
    work::run(host, "founding", work).await?
}

/// Forgets it: the first entry is in the log.
pub async fn finish(host: &Host, dir: &Path) -> io::Result<()> {
    let (files, dir) = (host.files.clone(), dir.to_owned());
    let work = async move {
        if files.exists(&dir.join(NAME))? {
            files.remove(&dir.join(NAME))?;
            files.sync_dir(&dir)?;
        }
        Ok(())
    };
    work::run(host, "founding", work).await?
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn it_is_there_from_begin_to_finish() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        assert_eq!(read(&host, dir.path()).await.unwrap(), None);
        begin(&host, dir.path(), 3).await.unwrap();
        begin(&host, dir.path(), 5).await.unwrap();
        assert_eq!(read(&host, dir.path()).await.unwrap(), Some(5));
        finish(&host, dir.path()).await.unwrap();
        finish(&host, dir.path()).await.unwrap();
        assert_eq!(read(&host, dir.path()).await.unwrap(), None);
    }

    #[test]
    fn every_damaged_byte_is_noticed() {
        let good = encode(3);
        assert_eq!(decode(&good).unwrap(), 3);
        for at in 0..good.len() {
            let mut bad = good.clone();
            bad[at] ^= 1;
            assert!(decode(&bad).is_err(), "byte {at}");
            assert!(decode(&good[..at]).is_err(), "cut at {at}");
        }
    }
}
