//! A file system of a size that is known and can change, as root may mount one.

use std::ffi::OsStr;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A mounted tmpfs, unmounted when it is dropped.
pub struct SmallDisk {
    dir: PathBuf,
}

impl SmallDisk {
    /// Mounts one of so many MiB at `dir`, which is made.
    pub fn mount(dir: &Path, mib: u64) -> SmallDisk {
        std::fs::create_dir_all(dir).unwrap();
        let size = format!("size={mib}m");
        run(
            "mount",
            [
                "-t".as_ref(),
                "tmpfs".as_ref(),
                "-o".as_ref(),
                size.as_ref(),
                "tmpfs".as_ref(),
                dir.as_os_str(),
            ],
        );
        SmallDisk {
            dir: dir.to_owned(),
        }
    }

    /// Makes it larger.
    pub fn grow(&self, mib: u64) {
        let options = format!("remount,size={mib}m");
        run(
            "mount",
            ["-o".as_ref(), options.as_ref(), self.dir.as_os_str()],
        );
    }

    /// What is free.
    pub fn available_bytes(&self) -> u64 {
        let disk = rustix::fs::statvfs(&self.dir).unwrap();
        disk.f_bavail * disk.f_frsize
    }

    /// Fills it with a file of somebody else until so many bytes are left.
    pub fn leave(&self, bytes: u64) {
        let junk = File::create(self.junk()).unwrap();
        let len = self.available_bytes().saturating_sub(bytes);
        let flags = rustix::fs::FallocateFlags::empty();
        rustix::fs::fallocate(&junk, flags, 0, len).unwrap();
    }

    /// Takes that file away.
    pub fn free(&self) {
        std::fs::remove_file(self.junk()).unwrap();
    }

    fn junk(&self) -> PathBuf {
        self.dir.join("junk")
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        // Its processes may still be going.
        run("umount", ["-l".as_ref(), self.dir.as_os_str()]);
    }
}

fn run<'a>(program: &str, arguments: impl IntoIterator<Item = &'a OsStr>) {
    let status = Command::new(program).args(arguments).status().unwrap();
    assert!(status.success(), "{program} needs root: {status}");
}
