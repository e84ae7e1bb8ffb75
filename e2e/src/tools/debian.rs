//! What is needed of Debian, installed when missing.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context, Result, bail};

/// A package, and a file by which one knows that it is there.
pub type Package = (&'static str, &'static str);

/// What the test-bed needs.
const TESTBED: &[Package] = &[
    ("runc", "/usr/sbin/runc"),
    ("iptables", "/usr/sbin/iptables"),
    ("conntrack", "/usr/sbin/conntrack"),
    ("iproute2", "/usr/sbin/ip"),
    ("nftables", "/usr/sbin/nft"),
    ("xfsprogs", "/usr/sbin/mkfs.xfs"),
    ("buildah", "/usr/bin/buildah"),
    ("gcc", "/usr/bin/gcc"),
    ("libc6-dev", "/usr/include/stdlib.h"),
    ("binutils", "/usr/bin/strip"),
];

/// Waits while another program installs packages.
const LOCK_TIMEOUT: &str = "DPkg::Lock::Timeout=180";

/// Installs what the test-bed needs. Needs root only if something is missing.
pub fn ensure_packages() -> Result<()> {
    ensure(TESTBED)
}

/// Installs those of the packages that are missing. Needs root only if there are any.
///
/// # Errors
/// When `apt-get` fails.
pub fn ensure(packages: &[Package]) -> Result<()> {
    let missing: Vec<&str> = packages
        .iter()
        .filter(|(_, file)| !Path::new(file).exists())
        .map(|(name, _)| *name)
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing from Debian: {} (about 30 s)", missing.join(" "));
    apt_get(&["-o", LOCK_TIMEOUT, "update", "-qq"])?;
    let mut arguments = vec![
        "-o",
        LOCK_TIMEOUT,
        "install",
        "-qq",
        "-y",
        "--no-install-recommends",
    ];
    arguments.extend(&missing);
    apt_get(&arguments)
}

/// Runs `apt-get`; its output is shown only if it fails.
fn apt_get(arguments: &[&str]) -> Result<()> {
    let output = Command::new("apt-get")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdin(Stdio::null())
        .output()
        .context("failed to run apt-get (this needs Debian)")?;
    if !output.status.success() {
        bail!(
            "apt-get {} failed ({}):\n{}{}",
            arguments.join(" "),
            output.status,
            String::from_utf8_lossy(&output.stdout),
            String::from_utf8_lossy(&output.stderr)
        );
    }
    Ok(())
}
