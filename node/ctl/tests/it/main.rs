//! The program `klusterctl` where no node is: what it does with its output, and what it advises. What it does with nodes is
//! tried in `node/daemon/tests`.
#![allow(
    clippy::unwrap_used,
    reason = "a test says with a panic that a promise was broken"
)]

mod advice;
mod closed_pipe;

use std::process::Command;

/// The program, with arguments.
fn klusterctl(arguments: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_klusterctl"));
    command.args(arguments).env_remove("KLUSTER_KEY_FILE");
    command
}
