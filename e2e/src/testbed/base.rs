//! A base for images, made of Debian packages: glibc, certificates of authorities, time zones.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::shell::{finish, run};
use crate::tools::Cache;

/// The Debian packages of the base.
const PACKAGES: &[&str] = &["libc6", "libgcc-s1", "ca-certificates", "tzdata"];
/// What of these packages no program in the image reads.
const UNUSED: &[&str] = &[
    "usr/share/doc-base",
    "usr/share/man",
    "usr/share/lintian",
    "usr/share/locale",
    "usr/lib/x86_64-linux-gnu/gconv",
];

/// Unpacks the base's packages, without their maintainers' scripts: what these would do follows here.
pub fn write(cache: &Cache, target: &Path) -> Result<()> {
    let packages = cache.folder("debian")?;
    for package in PACKAGES {
        unpack(&packages, package, target)?;
    }
    for unused in UNUSED {
        let path = target.join(unused);
        if path.exists() {
            std::fs::remove_dir_all(&path)
                .with_context(|| format!("failed to remove {}", path.display()))?;
        }
    }
    bundle_certificates(target)?;
    let files = [
        (
            "etc/passwd",
            "root:x:0:0:root:/:/sbin/nologin\nkluster:x:65532:65532:kluster:/:/sbin/nologin\n",
        ),
        ("etc/group", "root:x:0:\nkluster:x:65532:\n"),
        (
            "etc/nsswitch.conf",
            "passwd: files\ngroup: files\nhosts: files dns\n",
        ),
    ];
    for (path, text) in files {
        std::fs::write(target.join(path), text)
            .with_context(|| format!("failed to write {path} of the image"))?;
    }
    make_temporary_folder(target)
}

/// [`write`], and busybox with all its applets: the dynamic one, since a static glibc cannot look up names.
pub fn write_with_busybox(cache: &Cache, target: &Path) -> Result<()> {
    write(cache, target)?;
    unpack(&cache.folder("debian")?, "busybox", target)?;
    let program = target.join("bin/busybox");
    for applet in run(&program, ["--list"])?
        .lines()
        .filter(|applet| *applet != "busybox")
    {
        std::os::unix::fs::symlink("busybox", target.join("bin").join(applet))
            .with_context(|| format!("failed to link {applet}"))?;
    }
    Ok(())
}

fn unpack(folder: &Path, package: &str, target: &Path) -> Result<()> {
    let file = fetched(folder, package)?;
    run(
        "dpkg-deb",
        ["-x".as_ref(), file.as_os_str(), target.as_os_str()],
    )
    .map(drop)
}

/// The archive of a package, from the cache or else from Debian.
fn fetched(folder: &Path, package: &str) -> Result<PathBuf> {
    let find = || -> Result<Option<PathBuf>> {
        let entries = std::fs::read_dir(folder)
            .with_context(|| format!("failed to list {}", folder.display()))?;
        let prefix = format!("{package}_");
        let mut all = entries.flatten().map(|entry| entry.path());
        Ok(all.find(|path| {
            path.file_name()
                .is_some_and(|name| name.to_string_lossy().starts_with(&prefix))
        }))
    };
    if let Some(file) = find()? {
        return Ok(file);
    }
    eprintln!("fetching the Debian package {package}");
    let mut download = std::process::Command::new("apt-get");
    finish(
        download
            .args(["download", "-qq", package])
            .current_dir(folder),
        None,
    )?;
    find()?.with_context(|| format!("apt-get fetched no {package}"))
}

fn bundle_certificates(target: &Path) -> Result<()> {
    let list = run(
        "find",
        [
            target.join("usr/share/ca-certificates").as_os_str(),
            "-name".as_ref(),
            "*.crt".as_ref(),
        ],
    )?;
    let mut files: Vec<&str> = list.lines().collect();
    files.sort_unstable();
    let bundle = run("cat", files)?;
    let folder = target.join("etc/ssl/certs");
    std::fs::create_dir_all(&folder).context("failed to prepare the image's certificates")?;
    std::fs::write(folder.join("ca-certificates.crt"), bundle)
        .context("failed to write the image's certificates")
}

fn make_temporary_folder(target: &Path) -> Result<()> {
    use std::os::unix::fs::PermissionsExt;
    let folder = target.join("tmp");
    std::fs::create_dir_all(&folder).context("failed to make the image's /tmp")?;
    std::fs::set_permissions(&folder, std::fs::Permissions::from_mode(0o1777))
        .context("failed to open the image's /tmp")
}
