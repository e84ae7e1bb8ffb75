//! Running a program to its end.

use std::ffi::OsStr;
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// Runs `program` and gives back its standard output; its error output becomes the error.
pub fn run<I: AsRef<OsStr>>(
    program: impl AsRef<OsStr>,
    args: impl IntoIterator<Item = I>,
) -> Result<String> {
    finish(Command::new(program).args(args), None)
}

/// Runs a line of words separated by spaces: for commands whose words hold none.
pub fn run_line(line: &str) -> Result<String> {
    let mut words = line.split_whitespace();
    run(words.next().unwrap_or_default(), words)
}

/// Runs `program` with `input` on its standard input.
pub fn feed<I: AsRef<OsStr>>(
    program: &Path,
    args: impl IntoIterator<Item = I>,
    input: &str,
) -> Result<String> {
    finish(Command::new(program).args(args), Some(input))
}

/// Runs a prepared command.
pub fn finish(command: &mut Command, input: Option<&str>) -> Result<String> {
    use std::io::Write;
    let shown = format!("{command:?}");
    let stdin = if input.is_some() {
        Stdio::piped()
    } else {
        Stdio::null()
    };
    let mut child = command
        .stdin(stdin)
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("failed to run {shown}"))?;
    if let (Some(input), Some(mut pipe)) = (input, child.stdin.take()) {
        pipe.write_all(input.as_bytes())
            .with_context(|| format!("failed to feed {shown}"))?;
    }
    let output = child
        .wait_with_output()
        .with_context(|| format!("failed to wait for {shown}"))?;
    if !output.status.success() {
        bail!(
            "{shown} failed ({}): {}",
            output.status,
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
