//! The commands a person would use (`kubectl`, `helm`, `klusterctl`), run against one Kubernetes.

use std::ffi::{OsStr, OsString};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

use crate::environment;
use crate::tools::{self, Cache};

/// Commands that see one kubeconfig, and find the pinned programs and our own before any other.
#[derive(Clone, Debug)]
pub struct Commands {
    kubeconfig: PathBuf,
    path: OsString,
}

impl Commands {
    /// Commands for the Kubernetes that `kubeconfig` leads to.
    ///
    /// # Errors
    /// When the folders of the programs cannot be told.
    pub fn new(kubeconfig: PathBuf) -> Result<Self> {
        let cache = Cache::from_environment()?;
        let first = [
            environment::programs()?,
            cache.programs(&tools::KUBERNETES),
            cache.programs(&tools::HELM),
        ];
        let inherited = std::env::var_os("PATH").unwrap_or_default();
        let all = first.into_iter().chain(std::env::split_paths(&inherited));
        let path = std::env::join_paths(all).context("failed to put the programs on PATH")?;
        Ok(Self { kubeconfig, path })
    }

    /// The kubeconfig.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Runs a command, its output on the screen.
    ///
    /// # Errors
    /// When it cannot be started or fails.
    pub fn run<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<()> {
        let status = self.command(program, arguments).status();
        let status = status.with_context(|| format!("failed to start {program}"))?;
        if !status.success() {
            bail!("failed: {} ({status})", shown(program, arguments));
        }
        Ok(())
    }

    /// Runs a command out of sight and returns what it printed, without the last line break.
    ///
    /// # Errors
    /// When it cannot be started or fails; the error holds what it wrote to stderr.
    pub fn ask<S: AsRef<OsStr>>(&self, program: &str, arguments: &[S]) -> Result<String> {
        self.tell(program, arguments, "")
    }

    /// [`Commands::ask`], with `input` on the command's standard input.
    ///
    /// # Errors
    /// As [`Commands::ask`].
    pub fn tell<S: AsRef<OsStr>>(
        &self,
        program: &str,
        arguments: &[S],
        input: &str,
    ) -> Result<String> {
        let mut child = self
            .command(program, arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("failed to start {program}"))?;
        let mut stdin = child
            .stdin
            .take()
            .context("the command has no standard input")?;
        stdin
            .write_all(input.as_bytes())
            .context("failed to write to the command")?;
        drop(stdin);
        let output = child.wait_with_output()?;
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

/// A command as a person would type it.
pub fn shown<S: AsRef<OsStr>>(program: &str, arguments: &[S]) -> String {
    let words = arguments.iter().map(|a| a.as_ref().to_string_lossy());
    std::iter::once(program.into())
        .chain(words)
        .collect::<Vec<_>>()
        .join(" ")
}
