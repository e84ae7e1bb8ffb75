//! The snapshot as a file: taken of an etcd that runs, or made before by `etcdctl snapshot save`.

use std::fs::File;
use std::io::{BufReader, BufWriter, Read, Seek, Write};
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail, ensure};
use node_api::etcd::etcdserverpb::SnapshotRequest;
use sha2::{Digest, Sha256};

use crate::kv::etcd::{Access, Etcd, said};

/// The length of the checksum that a snapshot ends with.
const CHECKSUM_BYTES: u64 = 32;
/// What the length of the rest is a multiple of.
const BLOCK_BYTES: u64 = 512;
const COPIED_AT_ONCE: usize = 64 << 10;

/// Where a snapshot is from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum From {
    /// An etcd that serves there, or there.
    Endpoints(Vec<String>),
    /// A file.
    File(PathBuf),
    /// Standard input.
    Input,
}

impl From {
    /// What a person means by `text`.
    ///
    /// # Errors
    /// When it is no file, and nothing that could be an endpoint.
    pub fn of(text: &str) -> Result<From> {
        let path = Path::new(text);
        if text == "-" {
            return Ok(From::Input);
        }
        if path.is_file() {
            return Ok(From::File(path.to_owned()));
        }
        let is_endpoint = |text: &&str| {
            let (scheme, rest) = text.split_once("://").unwrap_or(("http", text));
            let port = rest.trim_end_matches('/').rsplit_once(':');
            matches!(scheme, "http" | "https")
                && port.is_some_and(|(_, port)| port.parse::<u16>().is_ok())
        };
        match text.split(',').all(|part| is_endpoint(&part)) {
            true => Ok(From::Endpoints(
                text.split(',').map(str::to_owned).collect(),
            )),
            false => bail!(
                "{text:?} is neither a file nor an endpoint of an etcd (such as https://10.0.0.1:2379)"
            ),
        }
    }
}

/// A snapshot that is whole as far as its checksum tells.
pub struct Snapshot {
    /// Where it lies. It has no name if it was made for this run.
    pub file: File,
    /// The length without the checksum.
    pub bytes: u64,
    /// What it is called.
    pub name: String,
}

impl Snapshot {
    /// Takes the snapshot, or opens the file. What is taken goes to a file without a name in `dir`.
    ///
    /// # Errors
    /// When it cannot be had, or its checksum is not the one that it ends with; or when it has none, unless `unchecked`.
    pub async fn take(
        from: &From,
        access: impl FnOnce(Vec<String>) -> Result<Access>,
        dir: &Path,
        unchecked: bool,
    ) -> Result<Snapshot> {
        let (file, name) = match from {
            From::File(path) => {
                let name = path.display().to_string();
                let file = File::open(path).with_context(|| format!("failed to open {name}"))?;
                (file, name)
            }
            From::Input => {
                let mut file = nameless(dir)?;
                let copied = std::io::copy(&mut std::io::stdin().lock(), &mut file);
                copied.with_context(|| {
                    format!("failed to copy the standard input to {}", dir.display())
                })?;
                (file, "the standard input".to_owned())
            }
            From::Endpoints(endpoints) => {
                let etcd = Etcd::connect(&access(endpoints.clone())?).await?;
                let mut file = nameless(dir)?;
                let name = format!("the snapshot of {}", etcd.endpoint());
                receive(&etcd, &mut file, dir)
                    .await
                    .with_context(|| format!("failed to take {name}"))?;
                (file, name)
            }
        };
        let bytes = check(&file, &name, unchecked)?;
        Ok(Snapshot { file, bytes, name })
    }
}

fn nameless(dir: &Path) -> Result<File> {
    tempfile::tempfile_in(dir).with_context(|| {
        format!(
            "failed to make a file in {} (name another folder with --dir; in a node's pod /data)",
            dir.display()
        )
    })
}

async fn receive(etcd: &Etcd, file: &mut File, dir: &Path) -> Result<()> {
    let answer = etcd.maintenance().snapshot(SnapshotRequest {}).await;
    let mut parts = answer.map_err(said)?.into_inner();
    let mut file = BufWriter::new(file);
    while let Some(part) = parts.message().await.map_err(said)? {
        let written = file.write_all(&part.blob);
        written.with_context(|| format!("failed to write to {}", dir.display()))?;
    }
    let flushed = file.flush();
    flushed.with_context(|| format!("failed to write to {}", dir.display()))
}

/// Compares the checksum; gives the length of what is before it.
fn check(mut file: &File, name: &str, unchecked: bool) -> Result<u64> {
    let read = || format!("failed to read {name}");
    let bytes = file.metadata().with_context(read)?.len();
    match bytes % BLOCK_BYTES {
        _ if unchecked => return Ok(bytes),
        CHECKSUM_BYTES => {}
        0 if bytes > 0 => bail!(
            "{name} has no checksum: `etcdctl snapshot save` did not write it. A copy of a stopped etcd's member/snap/db is \
             taken with --skip-hash-check; what that etcd had in its log alone is not in it"
        ),
        _ => bail!("{name} is cut, or no snapshot of an etcd: it has {bytes} bytes; take it anew"),
    }
    let content = bytes - CHECKSUM_BYTES;
    file.rewind().with_context(read)?;
    let mut digest = Sha256::new();
    let mut reader = BufReader::new(file);
    let mut buffer = vec![0; COPIED_AT_ONCE];
    let mut left = content;
    while left > 0 {
        let length = COPIED_AT_ONCE.min(usize::try_from(left).unwrap_or(COPIED_AT_ONCE));
        let part = buffer.get_mut(..length).unwrap_or_default();
        reader.read_exact(part).with_context(read)?;
        digest.update(&*part);
        left -= length as u64;
    }
    let mut checksum = [0; CHECKSUM_BYTES as usize];
    reader.read_exact(&mut checksum).with_context(read)?;
    ensure!(
        digest.finalize().as_slice() == checksum,
        "{name} is not what it was when it was made: its checksum differs; take it anew"
    );
    Ok(content)
}
