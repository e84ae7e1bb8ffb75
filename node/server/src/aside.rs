//! Before anything is opened: one process a folder, and the disk of a member that must not come back is set aside.

use std::io;
use std::path::Path;

use node_host::{Files, Host};
use node_replication::MemberId;

use crate::errors::StartError;
use crate::work;

const LOCK: &str = "lock";
/// Names this disk's member, which must not come back, and why. It is the last to be moved away.
const REMOVED: &str = "removed";
/// The word after the member's id, where it was not removed but lost its log.
const LOG_LOST: &str = "log-lost";
/// No mark is longer.
const MARK_BYTES_MAX: u64 = 64;
const ASIDE: &str = "set-aside-";

/// Why a member must not come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Why {
    /// It was removed from its cluster.
    Removed,
    /// Its log ends before what it once acknowledged.
    LogLost,
}

/// A data folder that may be opened. Whoever holds this is its only user.
pub struct Prepared {
    _lock: Box<dyn Send + Sync>,
    /// The member whose data was set aside just now.
    pub set_aside: Option<MemberId>,
}

/// Makes the data folder ready to be opened: creates it, locks it, and sets aside what belongs to a member that was removed
/// or lost its log, so that the node begins anew under another id. To be called before anything else in the folder is opened.
pub async fn prepare(host: &Host, dir: &Path) -> Result<Prepared, StartError> {
    let (files, dir) = (host.files.clone(), dir.to_owned());
    let prepared = work::run(host, "prepare", async move { prepare_on(&*files, &dir) });
    prepared.await.map_err(StartError::files("run a worker"))?
}

fn prepare_on(files: &dyn Files, dir: &Path) -> Result<Prepared, StartError> {
    files
        .create_dir_all(dir)
        .map_err(StartError::files("create the data folder"))?;
    let lock = files
        .lock(&dir.join(LOCK))
        .map_err(|error| match error.kind() {
            io::ErrorKind::WouldBlock => StartError::InUse {
                dir: dir.display().to_string(),
            },
            _ => StartError::files("lock the data folder")(error),
        })?;
    let set_aside = match removed(files, dir)? {
        None => None,
        Some((member, why)) => {
            set_aside(files, dir, member)
                .map_err(StartError::files("set the disk of an earlier member aside"))?;
            match why {
                Why::Removed => {
                    tracing::warn!(%member, "set the data of a removed member aside; this node begins anew");
                }
                Why::LogLost => {
                    tracing::warn!(%member, "set the data of a member that lost its log aside; this node begins anew");
                }
            }
            Some(member)
        }
    };
    Ok(Prepared {
        _lock: lock,
        set_aside,
    })
}

fn removed(files: &dyn Files, dir: &Path) -> Result<Option<(MemberId, Why)>, StartError> {
    let path = dir.join(REMOVED);
    let read = || -> io::Result<Option<Vec<u8>>> {
        if !files.exists(&path)? {
            return Ok(None);
        }
        let file = files.open(&path)?;
        let length = file.len()?.min(MARK_BYTES_MAX);
        let mut text = vec![0; usize::try_from(length).unwrap_or_default()];
        file.read_exact_at(&mut text, 0)?;
        Ok(Some(text))
    };
    let Some(text) = read().map_err(StartError::files("read whether the member was removed"))?
    else {
        return Ok(None);
    };
    match read_mark(&text) {
        Some(mark) => Ok(Some(mark)),
        None => Err(StartError::Damaged {
            name: REMOVED,
            why: "it does not say which member must not come back, and why",
        }),
    }
}

fn read_mark(text: &[u8]) -> Option<(MemberId, Why)> {
    let text = std::str::from_utf8(text).ok()?;
    let (member, why) = match text.split_once(' ') {
        None => (text, Why::Removed),
        Some((member, LOG_LOST)) => (member, Why::LogLost),
        Some(_) => return None,
    };
    Some((member.parse().ok()?, why))
}

/// A crash in the middle leaves the mark, and the next start goes on.
fn set_aside(files: &dyn Files, dir: &Path, member: MemberId) -> io::Result<()> {
    let aside = dir.join(format!("{ASIDE}{member}"));
    files.create_dir_all(&aside)?;
    files.sync_dir(dir)?;
    let stays = |name: &str| name.ends_with("lock") || name.starts_with(ASIDE) || name == REMOVED;
    for name in files.list(dir)?.into_iter().filter(|name| !stays(name)) {
        files.rename(&dir.join(&name), &aside.join(&name))?;
    }
    files.sync_dir(&aside)?;
    files.sync_dir(dir)?;
    files.rename(&dir.join(REMOVED), &aside.join(REMOVED))?;
    files.sync_dir(&aside)?;
    files.sync_dir(dir)
}

/// Notes on disk that this member must not come back. Durable on return.
pub async fn mark(host: &Host, dir: &Path, member: MemberId, why: Why) -> io::Result<()> {
    let (files, dir) = (host.files.clone(), dir.to_owned());
    work::run(host, "mark-removed", async move {
        let text = match why {
            Why::Removed => member.to_string(),
            Why::LogLost => format!("{member} {LOG_LOST}"),
        };
        write_once(&*files, &dir, REMOVED, text.as_bytes()).await
    })
    .await?
}

/// Writes a small file so that it is there whole or not at all. Durable on return.
pub async fn write_once(files: &dyn Files, dir: &Path, name: &str, bytes: &[u8]) -> io::Result<()> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.new")));
    if files.exists(&temporary)? {
        files.remove(&temporary)?;
    }
    let file = files.create(&temporary, bytes.len() as u64)?;
    file.write_all_at(bytes, 0)?;
    file.sync_data().await?;
    files.rename(&temporary, &path)?;
    files.sync_dir(dir)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_has_one_user() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let first = prepare(&host, dir.path()).await.unwrap();
        let second = prepare(&host, dir.path()).await;
        assert!(matches!(second, Err(StartError::InUse { .. })));
        drop(first);
        assert!(prepare(&host, dir.path()).await.is_ok());
    }

    #[tokio::test]
    async fn a_mark_says_who_and_why_and_a_damaged_one_is_refused() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let path = dir.path();
        let member = MemberId(7);
        for why in [Why::Removed, Why::LogLost] {
            mark(&host, path, member, why).await.unwrap();
            let found = removed(&*host.files, path).unwrap();
            assert_eq!(found, Some((member, why)));
        }
        std::fs::write(path.join(REMOVED), "0000000000000007 for-fun").unwrap();
        let refused = prepare(&host, path).await.err();
        assert!(matches!(
            refused,
            Some(StartError::Damaged { name: REMOVED, .. })
        ));
    }

    #[tokio::test]
    async fn a_removed_members_disk_is_set_aside_even_after_a_crash_in_the_middle() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let path = dir.path();
        let member = MemberId(7);
        std::fs::write(path.join("identity"), "who").unwrap();
        std::fs::create_dir(path.join("log")).unwrap();
        std::fs::write(path.join("log/1"), "entries").unwrap();
        assert!(prepare(&host, path).await.unwrap().set_aside.is_none());
        mark(&host, path, member, Why::Removed).await.unwrap();
        // As if a first attempt had moved the identity and stopped.
        let aside = path.join(format!("set-aside-{member}"));
        std::fs::create_dir(&aside).unwrap();
        std::fs::rename(path.join("identity"), aside.join("identity")).unwrap();

        assert_eq!(prepare(&host, path).await.unwrap().set_aside, Some(member));
        assert_eq!(
            std::fs::read_to_string(aside.join("identity")).unwrap(),
            "who"
        );
        assert_eq!(
            std::fs::read_to_string(aside.join("log/1")).unwrap(),
            "entries"
        );
        let left = host.files.list(path).unwrap();
        assert_eq!(left, ["lock".to_owned(), format!("set-aside-{member}")]);
        assert!(prepare(&host, path).await.unwrap().set_aside.is_none());
    }
}
