//! The command that becomes a container's process: a root of its own, then the user, then the program.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use anyhow::{Context, Result, ensure};

use super::containers::{User, Wanted};
use super::environment::expand;
use super::files::Source;
use super::shared::Shared;

/// Mounts the root and the volumes in a mount namespace that dies with the process, and goes in. All else that is
/// mounted on the machine is let go, so that it can be unmounted there: the old root lies on the new one for a moment.
///
/// Arguments: the root, `ro` or `rw` for it, then a source, a target and `ro` or `rw` for each mount, `--`, and
/// what to run.
const SCRIPT: &str = r#"
set -eu
root=$1 mode=$2
shift 2
mount --bind "$root" "$root"
mount --rbind /dev "$root/dev"
mount --rbind /proc "$root/proc"
while [ "$1" != -- ]; do
  mount --bind "$1" "$root$2"
  [ "$3" = rw ] || mount -o remount,bind,ro "$root$2"
  shift 3
done
shift
[ "$mode" = rw ] || mount -o remount,bind,ro "$root"
cd "$root"
pivot_root . .
umount --lazy .
exec chroot . "$@"
"#;

/// Folders of the root that are the machine's or a volume's.
const FOLDERS: &[&str] = &["dev", "etc", "proc", "root", "run", "tmp", "usr", "var/run"];
/// Links of the root, as on every Debian.
const LINKS: &[(&str, &str)] = &[
    ("bin", "usr/bin"),
    ("lib", "usr/lib"),
    ("lib64", "usr/lib64"),
    ("sbin", "usr/sbin"),
];

/// The command of the pod's container. Makes the root first.
pub(super) fn command(
    shared: &Shared,
    wanted: &Wanted,
    volumes: &BTreeMap<String, Source>,
    environment: &BTreeMap<String, String>,
) -> Result<Command> {
    let user = wanted.user();
    let root = make_root(shared, wanted)?;
    let mut mounts = vec![
        ("/usr".into(), "/usr".to_owned(), false),
        (
            shared.folder.join("programs"),
            "/usr/local/bin".to_owned(),
            false,
        ),
    ];
    for mount in wanted.container.volume_mounts.iter().flatten() {
        ensure!(
            mount.sub_path.is_none() && mount.sub_path_expr.is_none(),
            "the stand-in mounts whole volumes only"
        );
        let source = volumes
            .get(&mount.name)
            .with_context(|| format!("no volume {}", mount.name))?;
        let writable = !(source.read_only || mount.read_only.unwrap_or(false));
        std::fs::create_dir_all(root.join(mount.mount_path.trim_start_matches('/')))?;
        mounts.push((source.folder.clone(), mount.mount_path.clone(), writable));
    }

    let mut command = Command::new("setpriv");
    command.args(["--pdeathsig", "KILL", "--", "unshare", "--mount"]);
    command.args(["--propagation", "private", "--", "sh", "-c", SCRIPT, "sh"]);
    command.arg(&root).arg(mode(!user.read_only_root));
    for (source, target, writable) in mounts {
        command.arg(source).arg(target).arg(mode(writable));
    }
    command.arg("--").args(become_user(user));
    let words = [&wanted.container.command, &wanted.container.args];
    let words = words.into_iter().flatten().flatten();
    command.args(words.map(|word| expand(word, environment)));

    let log = log_file(&shared.log(&wanted.name))?;
    command.env_clear().envs(environment);
    command
        .stdin(Stdio::null())
        .stdout(log.try_clone()?)
        .stderr(log);
    command.process_group(0);
    Ok(command)
}

fn mode(writable: bool) -> &'static str {
    if writable { "rw" } else { "ro" }
}

/// The kernel forgets the death signal when the user changes, so it is set again after that.
fn become_user(user: User) -> Vec<String> {
    let mut words = vec!["setpriv".to_owned(), "--pdeathsig=KILL".to_owned()];
    words.extend(user.user.map(|id| format!("--reuid={id}")));
    if user.user.is_some() || user.group.is_some() {
        words.push(format!("--regid={}", user.group.unwrap_or(0)));
        words.push(match user.volumes_group {
            Some(group) => format!("--groups={group}"),
            None => "--clear-groups".to_owned(),
        });
    }
    if user.no_capabilities {
        words.push("--inh-caps=-all".to_owned());
        words.push("--bounding-set=-all".to_owned());
    }
    if user.no_new_privileges {
        words.push("--no-new-privs".to_owned());
    }
    words.push("--".to_owned());
    words
}

fn make_root(shared: &Shared, wanted: &Wanted) -> Result<PathBuf> {
    let root = shared.pod_folder(&wanted.uid).join("root");
    for folder in FOLDERS {
        std::fs::create_dir_all(root.join(folder))
            .with_context(|| format!("failed to make {folder} of {}", root.display()))?;
    }
    std::fs::set_permissions(root.join("tmp"), PermissionsExt::from_mode(0o1_777))?;
    for (link, target) in LINKS {
        let link = root.join(link);
        if std::fs::symlink_metadata(&link).is_err() {
            std::os::unix::fs::symlink(target, link)?;
        }
    }
    std::fs::write(root.join("etc/nsswitch.conf"), "hosts: files\n")?;
    let group = wanted.user().user.unwrap_or(0);
    std::fs::write(
        root.join("etc/passwd"),
        format!("root:x:0:0::/root:/bin/sh\nuser:x:{group}:0::/tmp:/bin/sh\n"),
    )?;
    write_hosts(&root, &shared.hosts_text())?;
    Ok(root)
}

/// Replaces the `/etc/hosts` of a root, also of one that is in use.
pub(super) fn write_hosts(root: &Path, text: &str) -> Result<()> {
    let new = root.join("etc/hosts.new");
    std::fs::write(&new, text)
        .and_then(|()| std::fs::rename(&new, root.join("etc/hosts")))
        .with_context(|| format!("failed to write the hosts of {}", root.display()))
}

fn log_file(path: &Path) -> Result<File> {
    let mut options = std::fs::OpenOptions::new();
    let file = options.create(true).append(true).open(path);
    file.with_context(|| format!("failed to open {}", path.display()))
}
