//! The programs of this workspace, where cargo left them.

use std::path::PathBuf;

use anyhow::{Context, Result, bail};

use crate::environment;

/// The path of one of our programs: in cargo's target folder, or else beside the running test.
pub fn program(name: &str) -> Result<PathBuf> {
    let built = environment::programs()?.join(name);
    if built.is_file() {
        return Ok(built);
    }
    let own = std::env::current_exe().context("failed to find the running program")?;
    for folder in own.ancestors().skip(1).take(2) {
        let beside = folder.join(name);
        if beside.is_file() {
            return Ok(beside);
        }
    }
    bail!(
        "no program {name} at {} nor beside {}: build it first (cargo build --bin {name})",
        built.display(),
        own.display()
    )
}
