//! Child processes that cannot outlive the test that started them.
//!
//! Two nets: [`Child`] kills on drop (also while a panic unwinds), and the kernel kills when the whole process dies
//! (`PR_SET_PDEATHSIG`, set by util-linux' `setpriv` before it becomes the program). The kernel's signal is bound
//! to the *thread* that spawned, so all spawning happens on one thread that lives as long as the process.

use std::fs::File;
use std::io::{Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use std::sync::mpsc::{SyncSender, sync_channel};

use anyhow::{Context, Result, anyhow};

/// How much of a log an error message quotes, in bytes.
const LOG_TAIL_BYTES: u64 = 2_000;

/// A running child whose output goes to a log file; killed when dropped.
#[derive(Debug)]
pub struct Child {
    name: String,
    log: PathBuf,
    process: std::process::Child,
}

impl Child {
    /// Starts `program` with `args`; its standard output and error go to `<folder>/<name>.log`.
    pub fn spawn(name: &str, program: &Path, args: &[String], folder: &Path) -> Result<Self> {
        let log = folder.join(format!("{name}.log"));
        let out =
            File::create(&log).with_context(|| format!("failed to create {}", log.display()))?;
        let mut command = dies_with_us(program);
        command
            .args(args)
            .stdin(Stdio::null())
            .stdout(out.try_clone()?)
            .stderr(out);
        let process = spawn_kept(command).with_context(|| format!("failed to start {name}"))?;
        Ok(Self {
            name: name.to_owned(),
            log,
            process,
        })
    }

    /// The process id.
    pub fn id(&self) -> u32 {
        self.process.id()
    }

    /// An error if the child is no longer running.
    pub fn check_running(&mut self) -> Result<()> {
        let status = self
            .process
            .try_wait()
            .with_context(|| format!("failed to look after {}", self.name))?;
        status.map_or(Ok(()), |status| {
            Err(anyhow!("{} stopped ({status})", self.name))
        })
    }

    /// The program's name and the end of its log, for error messages.
    pub fn log_tail(&self) -> String {
        format!("the log of {} ends:\n{}", self.name, log_tail(&self.log))
    }

    /// Kills the child at once and reaps it. Harmless when it is already gone.
    pub fn kill(&mut self) {
        // Both fail only when the child was already reaped, which is what is wanted.
        let _already_gone = self.process.kill();
        let _already_reaped = self.process.wait();
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        self.kill();
    }
}

/// The last lines of a log file; a message instead if it cannot be read.
pub fn log_tail(log: &Path) -> String {
    let read = || -> std::io::Result<String> {
        let mut file = File::open(log)?;
        let length = file.metadata()?.len();
        file.seek(SeekFrom::Start(length.saturating_sub(LOG_TAIL_BYTES)))?;
        let mut bytes = Vec::new();
        file.read_to_end(&mut bytes)?;
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    };
    read().unwrap_or_else(|error| format!("(failed to read {}: {error})", log.display()))
}

type Request = (Command, SyncSender<std::io::Result<std::process::Child>>);

/// A program that the kernel kills when its parent dies: start it with [`spawn_kept`].
pub fn dies_with_us(program: &Path) -> Command {
    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--"]).arg(program);
    command
}

/// Starts a command on the thread that lives as long as this process: one with a parent-death signal of its own, which the end
/// of the caller's thread must not set off.
///
/// # Errors
/// When it cannot be started.
pub fn spawn_kept(command: Command) -> Result<std::process::Child> {
    static KEEPER: OnceLock<SyncSender<Request>> = OnceLock::new();
    let keeper = KEEPER.get_or_init(|| {
        let (sender, requests) = sync_channel::<Request>(16);
        std::thread::spawn(move || {
            for (mut command, reply) in requests {
                // The asker waits for this answer; if its thread is gone, the child is killed with the process.
                let _asker_gone = reply.send(command.spawn());
            }
        });
        sender
    });
    let (reply, answer) = sync_channel(1);
    keeper
        .send((command, reply))
        .map_err(|_| anyhow!("the spawning thread is gone"))?;
    Ok(answer.recv().context("the spawning thread is gone")??)
}
