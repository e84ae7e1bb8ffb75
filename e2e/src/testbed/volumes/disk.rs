//! One volume: a file system in a file, mounted through a loop device.

use std::fs::{File, OpenOptions, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use rustix::mount::{UnmountFlags, unmount};

use super::super::layout::Node;
use super::super::mounts;
use super::super::shell::run;

/// The smallest file that holds an XFS.
pub const BYTES_MIN: u64 = 32 << 20;

/// The volume of one name on one node, whether it is there or not.
#[derive(Clone, Debug)]
pub struct Disk {
    folder: PathBuf,
    image: PathBuf,
}

impl Disk {
    /// Names it; nothing happens.
    pub fn of(node: &Node, name: &str) -> Self {
        Self {
            folder: node.volumes().join(name),
            image: node.volumes().join(format!("{name}.img")),
        }
    }

    /// Where it is mounted, for everybody to write.
    pub fn folder(&self) -> &Path {
        &self.folder
    }

    /// Makes it with that size, empty, and mounts it; nothing to do if it is mounted.
    ///
    /// # Errors
    /// When a program says so.
    pub fn make(&self, bytes: u64) -> Result<()> {
        if self.is_mounted()? {
            return Ok(());
        }
        std::fs::create_dir_all(&self.folder)
            .with_context(|| format!("failed to create {}", self.folder.display()))?;
        File::create(&self.image)
            .and_then(|file| file.set_len(bytes))
            .with_context(|| format!("failed to make {}", self.image.display()))?;
        // Unsupported is what is smaller than 300 MB.
        let image = self.image.as_os_str();
        run(
            "mkfs.xfs",
            [
                "--unsupported".as_ref(),
                "-q".as_ref(),
                "-f".as_ref(),
                image,
            ],
        )?;
        let options = ["-t", "xfs", "-o", "loop,noatime"].map(AsRef::as_ref);
        run(
            "mount",
            options.into_iter().chain([image, self.folder.as_os_str()]),
        )?;
        std::fs::set_permissions(&self.folder, Permissions::from_mode(0o777))
            .with_context(|| format!("failed to open {}", self.folder.display()))
    }

    /// Makes it at least that large, while it is in use.
    ///
    /// # Errors
    /// When it is not mounted, or a program says so.
    pub fn grow(&self, bytes: u64) -> Result<()> {
        let file = OpenOptions::new().write(true).open(&self.image);
        let file = file.with_context(|| format!("failed to open {}", self.image.display()))?;
        if file.metadata()?.len() < bytes {
            file.set_len(bytes)
                .with_context(|| format!("failed to grow {}", self.image.display()))?;
        }
        for device in mounts::loop_devices(&self.image)? {
            run(
                "losetup",
                ["--set-capacity".as_ref(), device.device.as_os_str()],
            )?;
        }
        run("xfs_growfs", [self.folder.as_os_str()]).map(drop)
    }

    /// Removes it with all that is in it; nothing to do if it is not there.
    ///
    /// # Errors
    /// While somebody uses it.
    pub fn remove(&self) -> Result<()> {
        if self.is_mounted()? {
            unmount(&self.folder, UnmountFlags::empty())
                .with_context(|| format!("failed to unmount {}", self.folder.display()))?;
        }
        for removed in [
            std::fs::remove_dir(&self.folder),
            std::fs::remove_file(&self.image),
        ] {
            match removed {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error)
                        .with_context(|| format!("failed to remove {}", self.image.display()));
                }
                _ => {}
            }
        }
        Ok(())
    }

    fn is_mounted(&self) -> Result<bool> {
        Ok(mounts::below(&self.folder)?.contains(&self.folder))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testbed::{Layout, Store};
    use crate::tools::debian;

    /// How many bytes fit, as whoever writes them finds out.
    fn fill(disk: &Disk) -> u64 {
        let file = disk.folder().join("fill");
        let full = run(
            "dd",
            [
                "if=/dev/zero",
                &format!("of={}", file.display()),
                "bs=1M",
                "count=200",
            ],
        );
        assert!(format!("{full:?}").contains("No space left"), "{full:?}");
        std::fs::metadata(file).unwrap().len()
    }

    #[test]
    fn a_disk_is_limited_grows_in_use_and_leaves_nothing() {
        debian::ensure_packages().unwrap();
        let state = tempfile::tempdir().unwrap();
        let layout = Layout {
            store: Store::default(),
            state: state.path().to_owned(),
            slot: 7,
            nodes: 1,
        };
        let disk = Disk::of(&layout.node_named("node1").unwrap(), "v");
        disk.make(BYTES_MIN).unwrap();
        let before = fill(&disk);
        assert!((BYTES_MIN / 2..BYTES_MIN).contains(&before), "{before}");

        disk.make(BYTES_MIN)
            .expect("a disk that is there is left alone");
        assert!(disk.folder().join("fill").exists());
        let open = File::open(disk.folder().join("fill")).unwrap();
        disk.grow(4 * BYTES_MIN).unwrap();
        disk.grow(4 * BYTES_MIN).expect("growing twice is once");
        assert!((3 * BYTES_MIN..4 * BYTES_MIN).contains(&fill(&disk)));
        disk.remove().expect_err("somebody uses it");

        drop(open);
        disk.remove().unwrap();
        disk.remove().expect("removing twice is once");
        mounts::free_loop_devices(state.path()).unwrap();
        assert!(mounts::below(state.path()).unwrap().is_empty());
        assert_eq!(
            std::fs::read_dir(state.path().join("node1/volumes"))
                .unwrap()
                .count(),
            0
        );
    }
}
