//! What is mounted below a folder, and which files below it are loop devices.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use rustix::mount::{UnmountFlags, unmount};

use super::shell::run;
use crate::wait;

/// How long the kernel may take to let go of a mount or a device whose last user died.
const GONE_WITHIN: Duration = Duration::from_secs(30);
/// What the kernel adds to the name of a loop device's file that was removed.
const REMOVED: &str = " (deleted)";

/// A loop device and its file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoopDevice {
    /// The device, such as `/dev/loop0`.
    pub device: PathBuf,
    /// The file, which may be removed already.
    pub file: PathBuf,
}

/// The mount points at or below `folder`, in the order they were mounted.
pub fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let table =
        std::fs::read_to_string("/proc/self/mountinfo").context("failed to read the mounts")?;
    let points = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(|point| PathBuf::from(unescape(point)));
    Ok(points.filter(|point| point.starts_with(folder)).collect())
}

/// Detaches those mounts of [`below`] that are `unwanted`, the deepest first.
pub fn detach_below(folder: &Path, unwanted: impl Fn(&Path) -> bool) -> Result<()> {
    wait::until_blocking("the mounts are gone", GONE_WITHIN, || {
        let mut found = below(folder)?;
        found.retain(|point| unwanted(point));
        for point in found.iter().rev() {
            match unmount(point, UnmountFlags::DETACH) {
                // Gone with the one it lay on.
                Ok(()) | Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOENT) => {}
                Err(error) => {
                    return Err(error)
                        .with_context(|| format!("failed to unmount {}", point.display()));
                }
            }
        }
        Ok(found.is_empty())
    })
}

/// The loop devices whose files lie at or below `path`.
pub fn loop_devices(path: &Path) -> Result<Vec<LoopDevice>> {
    let entries = std::fs::read_dir("/sys/block").context("failed to list block devices")?;
    let device = |entry: std::fs::DirEntry| {
        let file = std::fs::read_to_string(entry.path().join("loop/backing_file")).ok()?;
        let file = file.trim_end_matches('\n');
        Some(LoopDevice {
            device: Path::new("/dev").join(entry.file_name()),
            file: file.strip_suffix(REMOVED).unwrap_or(file).into(),
        })
    };
    let all = entries.flatten().filter_map(device);
    Ok(all.filter(|it| it.file.starts_with(path)).collect())
}

/// Frees the loop devices of [`loop_devices`]. One goes by itself with its last mount, and stays after a crash between
/// the two.
pub fn free_loop_devices(path: &Path) -> Result<()> {
    wait::until_blocking("the loop devices are free", GONE_WITHIN, || {
        let found = loop_devices(path)?;
        for LoopDevice { device, .. } in &found {
            // It may have gone by itself a moment ago: the next look tells.
            let _gone = run("losetup", ["--detach".as_ref(), device.as_os_str()]);
        }
        Ok(found.is_empty())
    })
}

/// The kernel writes blanks in paths as octal numbers.
fn unescape(path: &str) -> String {
    path.replace("\\040", " ")
        .replace("\\011", "\t")
        .replace("\\012", "\n")
        .replace("\\134", "\\")
}
