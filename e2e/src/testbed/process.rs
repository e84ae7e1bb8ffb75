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
    /// Reads a line in the format of `/proc/<pid>/stat`, and whether that runs; nothing if it is not one.
    ///
    /// A process whose first thread is dead still has its ports and files for as long as another thread of it ends.
    pub fn from_stat(line: &str) -> Option<(Self, bool)> {
        let id = line.split_whitespace().next()?.parse().ok()?;
        // The second field is a name in parentheses that may hold anything.
        let mut rest = line.rsplit_once(')')?.1.split_whitespace();
        let state = rest.next()?.chars().next()?;
        let threads: u32 = rest.nth(16)?.parse().ok()?;
        let started = rest.nth(1)?.parse().ok()?;
        let runs = threads > 1 || !matches!(state, 'Z' | 'X');
        Some((Self { id, started }, runs))
    }

    /// The running process of that id; nothing if there is none, or if it is dead and only waits for its parent.
    pub fn running(id: i32) -> Option<Self> {
        let line = std::fs::read_to_string(format!("/proc/{id}/stat")).ok()?;
        let (process, runs) = Self::from_stat(&line)?;
        runs.then_some(process)
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

#[cfg(test)]
mod tests {
    use super::Process;

    #[test]
    fn a_dead_first_thread_counts_for_as_long_as_others_end() {
        let line = |state: char, threads: u32| {
            format!(
                "42 (a (b) c) {state} 1 42 42 0 -1 4194304 9 0 0 0 1 2 0 0 20 0 {threads} 0 777 1 2"
            )
        };
        for (state, threads, wanted) in [
            ('S', 1, true),
            ('R', 9, true),
            ('Z', 2, true),
            ('Z', 1, false),
            ('X', 0, false),
        ] {
            let (process, runs) = Process::from_stat(&line(state, threads)).unwrap();
            assert_eq!((process.id, process.started), (42, 777));
            assert_eq!(runs, wanted, "{state} with {threads} threads");
        }
        assert!(Process::from_stat("42 (half").is_none());
    }
}
