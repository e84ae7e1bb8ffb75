//! Configuration files of the daemons: written only when they differ, since some programs leave when theirs changes.

use std::path::Path;

use anyhow::{Context, Result};
use serde_json::Value;

/// Writes `text` unless the file holds just that.
pub fn write(path: &Path, text: &str) -> Result<()> {
    if std::fs::read_to_string(path).is_ok_and(|there| there == text) {
        return Ok(());
    }
    std::fs::write(path, text).with_context(|| format!("failed to write {}", path.display()))
}

/// Writes JSON, which every reader of YAML reads too.
pub fn write_json(path: &Path, value: &Value) -> Result<()> {
    write(path, &serde_json::to_string_pretty(value)?)
}
