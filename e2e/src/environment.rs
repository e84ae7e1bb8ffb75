//! Everything this crate reads from the environment, and where it stands in it.

use std::path::PathBuf;

use anyhow::{Context, Result};

/// `KLUSTER_CACHE`: what is built once, outside the checkout; `~/.cache/kluster` unless set.
pub fn cache() -> Result<PathBuf> {
    match std::env::var_os("KLUSTER_CACHE") {
        Some(path) => Ok(path.into()),
        None => Ok(home()?.join(".cache/kluster")),
    }
}

/// `KLUSTER_STATE`: where the test-bed keeps its state; `/var/lib/kluster-testbed` unless set.
pub fn state() -> PathBuf {
    std::env::var_os("KLUSTER_STATE")
        .map_or_else(|| PathBuf::from("/var/lib/kluster-testbed"), PathBuf::from)
}

/// `KUBECONFIG`: the cluster that tests use instead of the test-bed's own.
pub fn kubeconfig() -> Option<PathBuf> {
    std::env::var_os("KUBECONFIG")
        .filter(|path| !path.is_empty())
        .map(PathBuf::from)
}

/// Where cargo left our programs: the folder of this one, or the one above it for a test.
pub fn programs() -> Result<PathBuf> {
    let this = std::env::current_exe().context("failed to find the folder of this program")?;
    let folder = this.ancestors().find(|folder| folder.ends_with("debug"));
    let folder = folder.with_context(|| {
        format!(
            "{} does not lie in a folder debug of cargo's",
            this.display()
        )
    })?;
    Ok(folder.to_owned())
}

fn home() -> Result<PathBuf> {
    std::env::var_os("HOME")
        .map(PathBuf::from)
        .context("HOME is not set, and neither is KLUSTER_CACHE")
}
