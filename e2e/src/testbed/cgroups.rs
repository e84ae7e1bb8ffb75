//! A cgroup for each node, in every hierarchy that the machine has (v1, v2 or both).

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, bail};

use super::layout::Node;
use super::process::Process;
use crate::wait;

/// How long the kernel may take to let go of a cgroup whose last process died.
const GONE_WITHIN: Duration = Duration::from_secs(20);
/// Controllers that a kubelet wants to see.
const CONTROLLERS: &[&str] = &["cpuset", "cpu", "io", "memory", "hugetlb", "pids"];

/// Makes the nodes' cgroups.
pub fn ensure(nodes: &[Node]) -> Result<()> {
    let mounts = std::fs::read_to_string("/proc/mounts").context("failed to read the mounts")?;
    let first = hierarchies(&mounts, "cgroup");
    let (roots, unified) = if first.is_empty() {
        (hierarchies(&mounts, "cgroup2"), true)
    } else {
        (first, false)
    };
    if roots.is_empty() {
        bail!("no cgroup hierarchy is mounted");
    }
    for root in roots {
        for node in nodes {
            let folder = root.join(node.cgroup.trim_start_matches('/'));
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
            if unified {
                pass_controllers_on(&root)?;
            } else {
                copy_cpusets(&root, &folder)?;
            }
        }
    }
    Ok(())
}

/// Removes the nodes' cgroups; their processes must be gone.
pub fn remove(nodes: &[Node]) -> Result<()> {
    wait::until_blocking("the cgroups are gone", GONE_WITHIN, || {
        for folder in present(nodes)? {
            remove_tree(&folder);
        }
        Ok(present(nodes)?.is_empty())
    })
}

/// The nodes' cgroups that exist.
pub fn present(nodes: &[Node]) -> Result<Vec<PathBuf>> {
    let mounts = std::fs::read_to_string("/proc/mounts").context("failed to read the mounts")?;
    let mut roots = hierarchies(&mounts, "cgroup");
    roots.extend(hierarchies(&mounts, "cgroup2"));
    let folders = roots.iter().flat_map(|root| {
        nodes
            .iter()
            .map(|node| root.join(node.cgroup.trim_start_matches('/')))
    });
    Ok(folders.filter(|folder| folder.exists()).collect())
}

/// The processes in the nodes' cgroups: those of all containers.
pub fn processes(nodes: &[Node]) -> Result<Vec<Process>> {
    let mut found = Vec::new();
    for folder in present(nodes)? {
        collect_processes(&folder, &mut found);
    }
    found.sort();
    found.dedup();
    Ok(found)
}

fn hierarchies(mounts: &str, kind: &str) -> Vec<PathBuf> {
    let fields = mounts
        .lines()
        .map(|line| line.split_whitespace().collect::<Vec<_>>());
    fields
        .filter(|fields| fields.get(2) == Some(&kind))
        .filter_map(|fields| fields.get(1).map(PathBuf::from))
        .collect()
}

/// A new cpuset of v1 is empty and refuses processes.
fn copy_cpusets(root: &Path, folder: &Path) -> Result<()> {
    for name in ["cpuset.cpus", "cpuset.mems"] {
        if folder.join(name).exists() {
            std::fs::read_to_string(root.join(name))
                .and_then(|all| std::fs::write(folder.join(name), all))
                .with_context(|| format!("failed to set {name} of {}", folder.display()))?;
        }
    }
    Ok(())
}

/// In v2 a cgroup has the controllers that its parent passes on; some kernels lack some.
fn pass_controllers_on(root: &Path) -> Result<()> {
    let available = std::fs::read_to_string(root.join("cgroup.controllers"))
        .context("failed to read controllers")?;
    for controller in CONTROLLERS
        .iter()
        .filter(|name| available.split_whitespace().any(|word| word == **name))
    {
        std::fs::write(
            root.join("cgroup.subtree_control"),
            format!("+{controller}"),
        )
        .with_context(|| format!("failed to pass on the controller {controller}"))?;
    }
    Ok(())
}

fn remove_tree(folder: &Path) {
    for child in children(folder) {
        remove_tree(&child);
    }
    // Busy for a moment after its last process died: the caller looks and tries again.
    let _busy = std::fs::remove_dir(folder);
}

fn collect_processes(folder: &Path, found: &mut Vec<Process>) {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    found.extend(
        text.lines()
            .filter_map(|line| Process::running(line.parse().ok()?)),
    );
    for child in children(folder) {
        collect_processes(&child, found);
    }
}

fn children(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = std::fs::read_dir(folder) else {
        return Vec::new();
    };
    entries
        .flatten()
        .map(|entry| entry.path())
        .filter(|path| path.is_dir())
        .collect()
}
