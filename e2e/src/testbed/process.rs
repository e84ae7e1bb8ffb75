//! What `/proc` says about processes.

use std::collections::HashSet;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use anyhow::{Context, Result};
use rustix::process::{Pid, Signal};

/// A process that cannot be mistaken for a later one with the same id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Process {
    /// The process id.
    pub id: i32,
    /// When it started, in clock ticks since boot.
    pub started: u64,
}

impl Process {
    /// Reads a line in the format of `/proc/<pid>/stat`; nothing if it is not one.
    pub fn from_stat(line: &str) -> Option<(Self, char)> {
        let id = line.split_whitespace().next()?.parse().ok()?;
        // The second field is a name in parentheses that may hold anything.
        let mut rest = line.rsplit_once(')')?.1.split_whitespace();
        let state = rest.next()?.chars().next()?;
        let started = rest.nth(18)?.parse().ok()?;
        Some((Self { id, started }, state))
    }

    /// The running process of that id; nothing if there is none, or if it is dead and only waits for its parent.
    pub fn running(id: i32) -> Option<Self> {
        let line = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (process, state) = Self::from_stat(&line)?;
        (state != 'Z' && state != 'X').then_some(process)
    }

    /// Whether it still runs.
    pub fn is_running(self) -> bool {
        Self::running(self.id) == Some(self)
    }

    /// Kills it at once if it still runs.
    pub fn kill(self) -> Result<()> {
        let Some(id) = Pid::from_raw(self.id).filter(|_| self.is_running()) else {
            return Ok(());
        };
        match rustix::process::kill_process(id, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).with_context(|| format!("failed to kill process {}", self.id)),
        }
    }

    /// The network namespace it lives in, as an inode number.
    pub fn network_namespace(self) -> Option<u64> {
        std::fs::metadata(format!("/proc/{}/ns/net", self.id))
            .ok()
            .map(|metadata| metadata.ino())
    }
}

/// All running processes.
fn all() -> Result<Vec<Process>> {
    let entries = std::fs::read_dir("/proc").context("failed to list processes")?;
    let ids = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    Ok(ids.filter_map(Process::running).collect())
}

/// The running processes inside the network namespaces of these names.
pub fn inside(namespaces: &[String]) -> Result<Vec<Process>> {
    let inodes: HashSet<u64> = namespaces
        .iter()
        .filter_map(|name| namespace_inode(name))
        .collect();
    let mut found = all()?;
    found.retain(|process| {
        process
            .network_namespace()
            .is_some_and(|inode| inodes.contains(&inode))
    });
    Ok(found)
}

/// The running processes of that program in the containers of the pod with that UID.
pub fn of_pod(uid: &str, program: &str) -> Result<Vec<Process>> {
    let mut found = all()?;
    found.retain(|process| {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/proc/{}/{file}", process.id)).unwrap_or_default()
        };
        read("cgroup").contains(uid) && read("comm").trim() == program
    });
    Ok(found)
}

/// The inode number of a named network namespace; nothing if there is none of that name.
fn namespace_inode(name: &str) -> Option<u64> {
    std::fs::metadata(Path::new("/run/netns").join(name))
        .ok()
        .map(|metadata| metadata.ino())
}
