//! Programs that go on running after the command that started them, each recorded on disk by itself.
//!
//! The record (`<state>/daemons/<name>`) is written by the new process before it becomes the program, so that there
//! is no moment in which something runs and nothing on disk knows of it.

use std::fs::OpenOptions;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::layout::Layout;
use super::process::Process;
use crate::child::log_tail;
use crate::wait;

/// Becomes the program after writing down who it is; `$0` is the record.
const START: &str = r#"cat /proc/$$/stat > "$0.new" && mv "$0.new" "$0" && exec "$@""#;
/// How long a new process may take to write its record.
const RECORD_WITHIN: Duration = Duration::from_secs(20);
/// How long a killed process may take to be gone.
const GONE_WITHIN: Duration = Duration::from_secs(20);

/// A program to run inside a network namespace.
#[derive(Clone, Debug)]
pub struct Daemon {
    /// Its name, unique within the test-bed.
    pub name: String,
    /// The network namespace.
    pub namespace: String,
    /// The program.
    pub program: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Folders in front of its `PATH`.
    pub path: Vec<PathBuf>,
    /// Its configuration file; another content is another command.
    pub config: Option<PathBuf>,
}

/// A daemon as the disk remembers it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// Its name.
    pub name: String,
    /// The process that was started.
    pub process: Process,
}

impl Daemon {
    /// Starts it unless it runs with this very command and configuration. Returns whether it was started.
    pub fn ensure(&self, layout: &Layout) -> Result<bool> {
        let record = layout.daemons().join(&self.name);
        let wanted = self.described()?;
        let command = layout.logs().join(format!("{}.command", self.name));
        if let Some(running) = read(&record).filter(|process| process.is_running()) {
            if std::fs::read_to_string(&command).is_ok_and(|last| last == wanted) {
                return Ok(false);
            }
            kill(&self.name, running)?;
        }
        remove_if_there(&record)?;
        std::fs::write(&command, wanted)
            .with_context(|| format!("failed to write {}", command.display()))?;
        self.start(&record, &layout.logs().join(format!("{}.log", self.name)))?;
        Ok(true)
    }

    fn described(&self) -> Result<String> {
        let config = match &self.config {
            Some(path) => std::fs::read_to_string(path)
                .with_context(|| format!("failed to read {}", path.display()))?,
            None => String::new(),
        };
        Ok(format!(
            "{:?}\n{config}",
            (&self.namespace, &self.program, &self.args, &self.path)
        ))
    }

    fn start(&self, record: &Path, log: &Path) -> Result<()> {
        let out = OpenOptions::new()
            .create(true)
            .append(true)
            .open(log)
            .with_context(|| format!("failed to open {}", log.display()))?;
        // nsenter, not `ip netns exec`: the latter hides the cgroup mounts from a kubelet.
        let status = Command::new("setsid")
            .args(["--fork", "sh", "-c", START])
            .arg(record)
            .args([
                "nsenter",
                &format!("--net=/run/netns/{}", self.namespace),
                "--",
            ])
            .arg(&self.program)
            .args(&self.args)
            .env("PATH", search_path(&self.path)?)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out)
            .status()
            .with_context(|| format!("failed to start {}", self.name))?;
        if !status.success() {
            bail!(
                "failed to start {} ({status}): {}",
                self.name,
                log_tail(log)
            );
        }
        wait::until_blocking(
            &format!("{} wrote its record", self.name),
            RECORD_WITHIN,
            || Ok(record.exists()),
        )
    }
}

/// An error, with the end of its log, if the daemon of that name does not run.
pub fn check_running(layout: &Layout, name: &str) -> Result<()> {
    if read(&layout.daemons().join(name)).is_some_and(Process::is_running) {
        return Ok(());
    }
    let log = layout.logs().join(format!("{name}.log"));
    bail!("{name} stopped; its log ends:\n{}", log_tail(&log))
}

/// Kills the daemon of that name and waits until it is gone; harmless if it does not run.
pub fn stop(layout: &Layout, name: &str) -> Result<()> {
    match read(&layout.daemons().join(name)) {
        Some(running) => kill(name, running),
        None => Ok(()),
    }
}

fn kill(name: &str, process: Process) -> Result<()> {
    process.kill()?;
    wait::until_blocking(&format!("{name} is gone"), GONE_WITHIN, || {
        Ok(!process.is_running())
    })
}

/// All daemons that were ever started and not taken down, sorted by name.
pub fn records(layout: &Layout) -> Result<Vec<Record>> {
    let folder = layout.daemons();
    if !folder.exists() {
        return Ok(Vec::new());
    }
    let entries = std::fs::read_dir(&folder)
        .with_context(|| format!("failed to list {}", folder.display()))?;
    let mut records: Vec<Record> = entries
        .flatten()
        .filter_map(|entry| {
            Some(Record {
                name: entry.file_name().into_string().ok()?,
                process: read(&entry.path())?,
            })
        })
        .collect();
    records.sort_by(|left, right| left.name.cmp(&right.name));
    Ok(records)
}

fn read(record: &Path) -> Option<Process> {
    Process::from_stat(&std::fs::read_to_string(record).ok()?).map(|(process, _)| process)
}

fn remove_if_there(path: &Path) -> Result<()> {
    match std::fs::remove_file(path) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", path.display()))
        }
        _ => Ok(()),
    }
}

fn search_path(front: &[PathBuf]) -> Result<std::ffi::OsString> {
    let rest = std::env::var_os("PATH").unwrap_or_default();
    std::env::join_paths(front.iter().cloned().chain(std::env::split_paths(&rest)))
        .context("bad PATH")
}
