//! A disk that is really full, as root may mount one: the log ends, has all it acknowledged, and goes on with more room.

use std::ffi::OsStr;
use std::path::Path;
use std::process::Command;

use super::super::errors::LogFailed;
use super::kit::*;

/// A tmpfs of so many KiB in a folder, until it is dropped.
struct SmallDisk<'a>(&'a Path);

impl SmallDisk<'_> {
    fn mount(dir: &Path, kib: u64) -> SmallDisk<'_> {
        let size = format!("size={kib}k");
        run("mount", &["-t", "tmpfs", "-o", &size, "tmpfs"], dir);
        SmallDisk(dir)
    }

    fn grow(&self, kib: u64) {
        run("mount", &["-o", &format!("remount,size={kib}k")], self.0);
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        run("umount", &["-l"], self.0);
    }
}

fn run(program: &str, options: &[&str], dir: &Path) {
    let arguments = options.iter().map(OsStr::new).chain([dir.as_os_str()]);
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} needs root: {status}");
}

#[tokio::test]
async fn a_really_full_disk_ends_the_log_and_with_room_it_goes_on() {
    let folder = Folder::new();
    let disk = SmallDisk::mount(folder.path(), 128);
    let (wal, _) = folder.open().await;
    let mut written = Vec::new();
    let error = loop {
        let record = entry(1, written.len() as u64);
        match append(&wal, vec![record.clone()]).await {
            Ok(()) => written.push(record),
            Err(error) => break error,
        }
        assert!(written.len() < 10_000, "the disk takes everything");
    };
    assert!(matches!(error, LogFailed::DiskFull { .. }), "{error}");
    assert!(written.len() > 100, "only {}", written.len());
    assert_eq!(
        wal.durable().borrow().map(|id| id.index + 1),
        Some(written.len() as u64)
    );
    drop(wal);

    // What was acknowledged is readable without any room.
    let (wal, recovered) = folder.open().await;
    let last = written.last().map(|record| record.id);
    assert!(recovered.last >= last, "{recovered:?}");
    let kept = entries(&wal);
    assert!(kept.starts_with(&written));
    drop(wal);

    disk.grow(1024);
    let (wal, recovered) = folder.open().await;
    let next = recovered.last.map_or(0, |last| last.index + 1);
    for index in next..next + 100 {
        append(&wal, vec![entry(1, index)]).await.unwrap();
    }
    assert_eq!(entries(&wal).len() as u64, next + 100);
    wal.close().await.unwrap();
}
