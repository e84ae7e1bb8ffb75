//! Images without a registry: built with buildah in a throw-away store, loaded into each node's containerd.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};

use super::buildah::Store;
use super::layout::{Layout, Node};
use super::shell::run;
use super::{base, daemon};
use crate::tools::{CONTAINERD, Cache};
use crate::wait;

/// The image that holds a pod's namespaces.
pub const PAUSE: &str = "localhost/pause:1";
/// busybox, for tests.
pub const BUSYBOX: &str = "localhost/busybox:1";

/// How long containerd may take to answer on a busy machine.
const ANSWERS_WITHIN: Duration = Duration::from_secs(180);

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
        archive(
            &pause,
            PAUSE,
            "COPY pause /pause\nUSER 65535:65535\nENTRYPOINT [\"/pause\"]",
            write_pause,
        )?;
    }
    if !busybox.exists() {
        let write = |context: &Path| base::write_with_busybox(cache, &context.join("root"));
        archive(&busybox, BUSYBOX, "COPY root/ /\nCMD [\"/bin/sh\"]", write)?;
    }
    Ok(vec![pause, busybox])
}

/// Builds the image `name` from the context that `prepare` fills and leaves its archive at `target`.
fn archive(
    target: &Path,
    name: &str,
    instructions: &str,
    prepare: impl FnOnce(&Path) -> Result<()>,
) -> Result<()> {
    eprintln!("building the image {name}");
    let context = tempfile::tempdir().context("failed to create a temporary folder")?;
    prepare(context.path()).with_context(|| format!("failed to prepare the image {name}"))?;
    let store = Store::new()?;
    store.build_from_scratch(context.path(), instructions, name)?;
    store.archive(name, target)
}

fn write_pause(context: &Path) -> Result<()> {
    let (source, program) = (context.join("pause.c"), context.join("pause"));
    std::fs::write(&source, PAUSE_SOURCE).context("failed to write a source file")?;
    run(
        "gcc",
        [
            "-Os".as_ref(),
            "-static".as_ref(),
            "-o".as_ref(),
            program.as_os_str(),
            source.as_os_str(),
        ],
    )
    .map(drop)
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

/// Waits until `node`'s containerd answers, and loads those of the test-bed's own images that it lacks.
pub fn prepare(layout: &Layout, cache: &Cache, node: &Node, archives: &[PathBuf]) -> Result<()> {
    let what = format!("containerd of {} answers", node.name);
    wait::until_blocking(&what, ANSWERS_WITHIN, || {
        daemon::check_running(layout, &node.daemon("containerd"))?;
        Ok(ctr(cache, node, &["version"]).is_ok())
    })?;
    let present = ctr(cache, node, &["images", "list", "--quiet"])?;
    if present.lines().any(|name| name == PAUSE) && present.lines().any(|name| name == BUSYBOX) {
        return Ok(());
    }
    archives
        .iter()
        .try_for_each(|archive| load_into(cache, node, archive))
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
