//! What the kernel says of a process.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second of `/proc/<pid>/stat`; a constant of Linux's interface on every platform we run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time (user and system) that a process has used, in microseconds.
///
/// # Errors
/// When there is no such process.
pub fn cpu_us(pid: u32) -> Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))
        .with_context(|| format!("failed to read the CPU time of process {pid}"))?;
    // The second field is a name in brackets that may hold blanks: count from its end.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let ticks: u64 = after_name
        .split_whitespace()
        .skip(11)
        .take(2)
        .filter_map(|t| t.parse::<u64>().ok())
        .sum();
    Ok(ticks * 1_000_000 / TICKS_PER_SECOND)
}

/// Memory of a process that is in RAM now, in MiB.
///
/// # Errors
/// When there is no such process.
pub fn memory_mib(pid: u32) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("failed to read the memory of process {pid}"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix("VmRSS:"))
        .context("no VmRSS line")?;
    let kib: f64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .context("VmRSS is no number")?;
    Ok(kib / 1024.0)
}
