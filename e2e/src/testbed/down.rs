//! `down`: leaves no process, mount, loop device, namespace, cgroup or file behind, whatever state things are in.
//!
//! Nothing relies on a part having stopped well: processes are found by their records on disk, by the network
//! namespace they live in and by their cgroup; mounts and loop devices by lying below the state folder; the rest by its
//! name.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};

use super::layout::Layout;
use super::mounts::LoopDevice;
use super::process::{self, Process};
use super::{Testbed, cgroups, daemon, mounts, network};
use crate::wait;

/// How long killed processes may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(30);

/// What of a test-bed is there; all empty after `down`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Leftovers {
    /// Processes.
    pub processes: Vec<Process>,
    /// Mount points below the state folder.
    pub mounts: Vec<PathBuf>,
    /// Loop devices on files below the state folder.
    pub loop_devices: Vec<LoopDevice>,
    /// Network namespaces and the host's cable.
    pub network: Vec<String>,
    /// Cgroups.
    pub cgroups: Vec<PathBuf>,
    /// The state folder, and links to it.
    pub files: Vec<PathBuf>,
}

impl Leftovers {
    /// Whether nothing is left.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl Testbed {
    /// Takes the test-bed down. Harmless when it is not up.
    pub fn down(&self) -> Result<()> {
        let _turn = self.take_turn()?;
        self.remove_all()
    }

    pub(super) fn remove_all(&self) -> Result<()> {
        let layout = &self.layout;
        kill_all(layout)?;
        mounts::detach_below(&layout.state, |_| true)?;
        mounts::free_loop_devices(&layout.state)?;
        network::remove(layout)?;
        cgroups::remove(&layout.all_nodes())?;
        for path in files(layout)? {
            let removed = if path.is_dir() && !path.is_symlink() {
                std::fs::remove_dir_all(&path)
            } else {
                std::fs::remove_file(&path)
            };
            match removed {
                // Another test-bed's kubelet clears dead links too.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
                other => {
                    other.with_context(|| format!("failed to remove {}", path.display()))?;
                }
            }
        }
        Ok(())
    }

    /// What of the test-bed is there.
    pub fn leftovers(&self) -> Result<Leftovers> {
        let layout = &self.layout;
        Ok(Leftovers {
            processes: processes(layout)?,
            mounts: mounts::below(&layout.state)?,
            loop_devices: mounts::loop_devices(&layout.state)?,
            network: network::present(layout),
            cgroups: cgroups::present(&layout.all_nodes())?,
            files: files(layout)?,
        })
    }
}

/// Kills until none is left: what is killed may have started another a moment ago.
fn kill_all(layout: &Layout) -> Result<()> {
    wait::until_blocking("all processes are gone", GONE_WITHIN, || {
        let found = processes(layout)?;
        found.iter().try_for_each(|process| process.kill())?;
        Ok(found.is_empty())
    })
}

fn processes(layout: &Layout) -> Result<Vec<Process>> {
    let mut found = process::inside(&layout.namespaces())?;
    found.extend(
        daemon::records(layout)?
            .into_iter()
            .map(|record| record.process)
            .filter(|it| it.is_running()),
    );
    found.extend(cgroups::processes(&layout.all_nodes())?);
    found.sort();
    found.dedup();
    Ok(found)
}

/// The state folder, and what programs keep in folders that cannot be configured: kubelet's links to logs of
/// containers, and the network plugins' results (they name the pod's namespace, which lies below the state folder).
fn files(layout: &Layout) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    if layout.state.exists() {
        found.push(layout.state.clone());
    }
    for link in list("/var/log/containers")? {
        if std::fs::read_link(&link).is_ok_and(|target| target.starts_with(&layout.state)) {
            found.push(link);
        }
    }
    let state = layout.state.to_string_lossy();
    for result in list("/var/lib/cni/results")? {
        // One may go with its pod while we look.
        if std::fs::read_to_string(&result).is_ok_and(|text| text.contains(&*state)) {
            found.push(result);
        }
    }
    Ok(found)
}

fn list(folder: &str) -> Result<Vec<PathBuf>> {
    match std::fs::read_dir(folder) {
        Ok(entries) => Ok(entries.flatten().map(|entry| entry.path()).collect()),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(error) => Err(error).with_context(|| format!("failed to list {folder}")),
    }
}
