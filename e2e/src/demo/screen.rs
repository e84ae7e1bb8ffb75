//! What the demo prints, and how it runs a command in front of the person who watches.

use std::ffi::OsStr;
use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Instant;

use anyhow::{Context, Result, bail};

/// Numbered steps with the time since the start, and the commands behind them.
pub struct Screen {
    started: Instant,
    step: u32,
    kubeconfig: PathBuf,
    path: std::ffi::OsString,
}

impl Screen {
    /// A screen whose commands see `kubeconfig`, and find the programs in `folders` first.
    pub fn new(kubeconfig: PathBuf, folders: Vec<PathBuf>) -> Result<Self> {
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let all = folders.into_iter().chain(std::env::split_paths(&inherited));
        let path = std::env::join_paths(all).context("failed to put the programs on PATH")?;
        Ok(Self {
            started: Instant::now(),
            step: 0,
            kubeconfig,
            path,
        })
    }

    /// Announces the next step.
    pub fn step(&mut self, what: &str) {
        self.step += 1;
        println!(
            "\n[{:>4} s] {}. {what}",
            self.started.elapsed().as_secs(),
            self.step
        );
    }

    /// Says one thing below the step.
    pub fn say(&self, what: &str) {
        println!("         {what}");
    }

    /// Shows a command and runs it, its output on the screen.
    pub fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<()> {
        self.say(&format!("$ {}", shown(program, arguments)));
        let status = self.command(program, arguments).status();
        let status = status.with_context(|| format!("failed to start {program}"))?;
        if !status.success() {
            bail!("failed: {} ({status})", shown(program, arguments));
        }
        Ok(())
    }

    /// Runs a command out of sight and returns what it printed, without the last line break.
    pub fn ask<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<String> {
        let output = self
            .command(program, arguments)
            .stderr(Stdio::piped())
            .output()
            .with_context(|| format!("failed to start {program}"))?;
        if !output.status.success() {
            bail!(
                "failed: {} ({}): {}",
                shown(program, arguments),
                output.status,
                String::from_utf8_lossy(&output.stderr).trim()
            );
        }
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    fn command<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Command {
        let mut command = Command::new(program);
        command
            .args(arguments)
            .env("KUBECONFIG", &self.kubeconfig)
            .env("PATH", &self.path)
            .stdin(Stdio::null());
        command
    }
}

fn shown<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    let words = arguments.iter().map(|a| a.as_ref().to_string_lossy());
    std::iter::once(program.into())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
