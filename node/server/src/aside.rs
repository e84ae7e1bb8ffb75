//! Before anything is opened: one process a folder, and a removed member's disk is set aside.

use std::io;
use std::path::Path;

use node_host::{Files, Host};
use node_replication::MemberId;

use crate::errors::StartError;
use crate::work;

const LOCK: &str = "lock";
/// Says that this disk's member was removed from its cluster. It is the last to be moved away.
const REMOVED: &str = "removed";
const ASIDE: &str = "set-aside-";

/// A data folder that may be opened. Whoever holds this is its only user.
pub struct Prepared {
    _lock: Box<dyn Send + Sync>,
    /// The member whose data was set aside just now.
    pub set_aside: Option<MemberId>,
}

/// Makes the data folder ready to be opened: creates it, locks it, and sets aside what belongs to a removed member, so that
/// the node begins anew under another id. To be called before anything else in the folder is opened.
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
        Some(member) => {
            set_aside(files, dir, member)
                .map_err(StartError::files("set the disk of a removed member aside"))?;
            tracing::warn!(%member, "set the data of a removed member aside; this node begins anew");
            Some(member)
        }
    };
    Ok(Prepared {
        _lock: lock,
        set_aside,
    })
}

fn removed(files: &dyn Files, dir: &Path) -> Result<Option<MemberId>, StartError> {
    let path = dir.join(REMOVED);
    let read = || -> io::Result<Option<[u8; 16]>> {
        if !files.exists(&path)? {
            return Ok(None);
        }
        let mut text = [0; 16];
        files.open(&path)?.read_exact_at(&mut text, 0)?;
        Ok(Some(text))
    };
    let Some(text) = read().map_err(StartError::files("read whether the member was removed"))?
    else {
        return Ok(None);
    };
    let member = std::str::from_utf8(&text)
        .ok()
        .and_then(|text| text.parse().ok());
    match member {
        Some(member) => Ok(Some(member)),
        None => Err(StartError::Damaged {
            name: REMOVED,
            why: "it holds no member id",
        }),
    }
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

/// Notes on disk that this member was removed. Durable on return.
pub async fn mark_removed(host: &Host, dir: &Path, member: MemberId) -> io::Result<()> {
    let (files, dir) = (host.files.clone(), dir.to_owned());
    work::run(host, "mark-removed", async move {
        let text = member.to_string();
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
    async fn a_removed_members_disk_is_set_aside_even_after_a_crash_in_the_middle() {
        let (host, dir) = (Host::real(), tempfile::tempdir().unwrap());
        let path = dir.path();
        let member = MemberId(7);
        std::fs::write(path.join("identity"), "who").unwrap();
        std::fs::create_dir(path.join("log")).unwrap();
        std::fs::write(path.join("log/1"), "entries").unwrap();
        assert!(prepare(&host, path).await.unwrap().set_aside.is_none());
        mark_removed(&host, path, member).await.unwrap();
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
