//! What the kernel says of a process.

use std::fs;

use anyhow::{Context, Result};

/// Clock ticks a second of `/proc/<pid>/stat`; a constant of Linux's interface on every platform we run on.
const TICKS_PER_SECOND: u64 = 100;

/// CPU time (user and system) that these processes have used together, in microseconds.
///
/// # Errors
/// When one of them is not there.
pub fn cpu_us(pids: &[u32]) -> Result<u64> {
    pids.iter().map(|pid| cpu_us_of(*pid)).sum()
}

fn cpu_us_of(pid: u32) -> Result<u64> {
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

/// Memory of the largest of these processes, in MiB.
///
/// # Errors
/// When one of them is not there.
pub fn largest_mib(pids: &[u32], of: fn(u32) -> Result<f64>) -> Result<f64> {
    let each: Result<Vec<f64>> = pids.iter().map(|pid| of(*pid)).collect();
    Ok(each?.into_iter().fold(0.0, f64::max))
}

/// Memory of a process that is in RAM now, in MiB; the parts of files that it has mapped count as well.
///
/// # Errors
/// When there is no such process.
pub fn memory_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "VmRSS:")
}

/// Memory of a process that is in RAM now and of no file, in MiB.
///
/// # Errors
/// When there is no such process.
pub fn anonymous_mib(pid: u32) -> Result<f64> {
    status_mib(pid, "RssAnon:")
}

fn status_mib(pid: u32, field: &str) -> Result<f64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))
        .with_context(|| format!("failed to read the memory of process {pid}"))?;
    let line = status
        .lines()
        .find_map(|l| l.strip_prefix(field))
        .with_context(|| format!("process {pid} has no line {field}"))?;
    let kib: f64 = line
        .trim()
        .trim_end_matches("kB")
        .trim()
        .parse()
        .with_context(|| format!("{field} of process {pid} is no number"))?;
    Ok(kib / 1024.0)
}
