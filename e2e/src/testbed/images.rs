//! Images without a registry: built with buildah in a throw-away store, loaded into each node's containerd.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

use super::base;
use super::layout::{Layout, Node};
use super::shell::run;
use crate::tools::{CONTAINERD, Cache};

/// The image that holds a pod's namespaces.
pub const PAUSE: &str = "localhost/pause:1";
/// busybox, for the provisioner's helper pods and for tests.
pub const BUSYBOX: &str = "localhost/busybox:1";

/// Holds a pod's namespaces and reaps orphans, until it is told to leave.
const PAUSE_SOURCE: &str = "#include <signal.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
static void leave(int signal) { (void)signal; _exit(0); }
static void reap(int signal) { (void)signal; while (waitpid(-1, NULL, WNOHANG) > 0) {} }
int main(void) {
  struct sigaction end = {.sa_handler = leave}, child = {.sa_handler = reap, .sa_flags = SA_NOCLDSTOP};
  if (sigaction(SIGINT, &end, NULL) < 0 || sigaction(SIGTERM, &end, NULL) < 0) return 1;
  if (sigaction(SIGCHLD, &child, NULL) < 0) return 2;
  for (;;) pause();
}
";

/// The archives of [`PAUSE`] and [`BUSYBOX`], built when the cache lacks them.
pub fn base_archives(cache: &Cache) -> Result<Vec<PathBuf>> {
    let folder = cache.folder("images")?;
    let (pause, busybox) = (folder.join("pause-1.tar"), folder.join("busybox-1.tar"));
    if !pause.exists() {
        eprintln!("building the image {PAUSE}");
        archive(&pause, PAUSE, |context| {
            std::fs::write(context.join("pause.c"), PAUSE_SOURCE)?;
            let (source, program) = (context.join("pause.c"), context.join("pause"));
            run(
                "gcc",
                [
                    "-Os".as_ref(),
                    "-static".as_ref(),
                    "-o".as_ref(),
                    program.as_os_str(),
                    source.as_os_str(),
                ],
            )?;
            write_containerfile(
                context,
                "FROM scratch\nCOPY pause /pause\nUSER 65535:65535\nENTRYPOINT [\"/pause\"]\n",
            )
        })?;
    }
    if !busybox.exists() {
        eprintln!("building the image {BUSYBOX}");
        archive(&busybox, BUSYBOX, |context| {
            base::write_with_busybox(cache, &context.join("root"))?;
            write_containerfile(context, "FROM scratch\nCOPY root/ /\nCMD [\"/bin/sh\"]\n")
        })?;
    }
    Ok(vec![pause, busybox])
}

/// Builds the image `name` from the context that `prepare` fills and leaves it as a docker archive at `target`.
fn archive(target: &Path, name: &str, prepare: impl FnOnce(&Path) -> Result<()>) -> Result<()> {
    let context = tempfile::tempdir().context("failed to create a temporary folder")?;
    prepare(context.path()).with_context(|| format!("failed to prepare the image {name}"))?;
    build(
        &context.path().join("Containerfile"),
        context.path(),
        &[],
        name,
        target,
    )
}

fn write_containerfile(context: &Path, text: &str) -> Result<()> {
    std::fs::write(context.join("Containerfile"), text).context("failed to write a Containerfile")
}

/// Builds `containerfile` over `context` with build arguments (`NAME=value`) into a docker archive at `target`.
pub fn build(
    containerfile: &Path,
    context: &Path,
    args: &[String],
    name: &str,
    target: &Path,
) -> Result<()> {
    let store = tempfile::tempdir().context("failed to create a temporary folder")?;
    let buildah = |rest: Vec<String>| -> Result<String> {
        let mut all = vec![
            format!("--root={}", store.path().join("root").display()),
            format!("--runroot={}", store.path().join("run").display()),
            "--storage-driver=vfs".to_owned(),
        ];
        all.extend(rest);
        run("buildah", all)
    };
    let mut bud = vec![
        "bud".to_owned(),
        "--isolation=chroot".to_owned(),
        "--quiet".to_owned(),
    ];
    bud.extend(args.iter().map(|arg| format!("--build-arg={arg}")));
    bud.push(format!("--tag={name}"));
    bud.push(format!("--file={}", containerfile.display()));
    bud.push(context.display().to_string());
    buildah(bud).with_context(|| format!("failed to build the image {name}"))?;
    // buildah does not write over an archive; a half-written one must not be taken for a whole one.
    let partial = target.with_extension("partial");
    for leftover in [&partial, &target.to_owned()] {
        if leftover.exists() {
            std::fs::remove_file(leftover)
                .with_context(|| format!("failed to remove {}", leftover.display()))?;
        }
    }
    buildah(vec![
        "push".to_owned(),
        "--quiet".to_owned(),
        name.to_owned(),
        format!("docker-archive:{}:{name}", partial.display()),
    ])
    .with_context(|| format!("failed to write the image {name}"))?;
    std::fs::rename(&partial, target)
        .with_context(|| format!("failed to keep {}", target.display()))
}

/// Loads image archives into every node.
pub fn load(layout: &Layout, cache: &Cache, archives: &[PathBuf]) -> Result<()> {
    std::thread::scope(|scope| {
        let nodes = layout.all_nodes();
        let loads: Vec<_> = nodes
            .into_iter()
            .map(|node| {
                scope.spawn(move || {
                    archives
                        .iter()
                        .try_for_each(|archive| load_into(cache, &node, archive))
                })
            })
            .collect();
        loads
            .into_iter()
            .try_for_each(|load| load.join().expect("loading an image does not panic"))
    })
}

/// Loads those of the test-bed's own images that `node` lacks.
pub fn load_missing(cache: &Cache, node: &Node, archives: &[PathBuf]) -> Result<()> {
    let present = ctr(cache, node, &["images", "list", "--quiet"])?;
    if present.lines().any(|name| name == PAUSE) && present.lines().any(|name| name == BUSYBOX) {
        return Ok(());
    }
    archives
        .iter()
        .try_for_each(|archive| load_into(cache, node, archive))
}

/// Whether `node`'s containerd answers.
pub fn containerd_answers(cache: &Cache, node: &Node) -> bool {
    ctr(cache, node, &["version"]).is_ok()
}

fn load_into(cache: &Cache, node: &Node, archive: &Path) -> Result<()> {
    let file = archive.display().to_string();
    ctr(cache, node, &["images", "import", "--local", &file])
        .map(drop)
        .with_context(|| format!("failed to load {file} into {}", node.name))
}

fn ctr(cache: &Cache, node: &Node, args: &[&str]) -> Result<String> {
    let socket = node.socket().display().to_string();
    let all = ["--address", &socket, "--namespace", "k8s.io"]
        .into_iter()
        .chain(args.iter().copied());
    run(cache.program(&CONTAINERD, "ctr"), all)
}
