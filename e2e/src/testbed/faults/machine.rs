//! A machine that loses power, and starts again.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result};

use super::super::layout::Node;
use super::super::process::{self, Process};
use super::super::{Testbed, cgroups, daemon, images, mounts, network, node};
use crate::wait;

/// How long a killed machine may take to be silent.
const GONE_WITHIN: Duration = Duration::from_secs(30);

impl Testbed {
    /// Takes the power from a node: its cable goes dead, then everything on it, pods too. Nothing says goodbye.
    ///
    /// Its volumes and what it keeps on disk stay. Harmless when it is off.
    ///
    /// # Errors
    /// When there is no such node, or something of it does not die.
    pub fn stop_node(&self, name: &str) -> Result<()> {
        let _turn = self.take_turn()?;
        let node = self.node(name)?;
        network::unplug(&self.layout, &node)?;
        let nodes = [node];
        let [node] = &nodes;
        wait::until_blocking(&format!("{name} is off"), GONE_WITHIN, || {
            let found = self.processes_of(node)?;
            found.iter().try_for_each(|process| process.kill())?;
            Ok(found.is_empty())
        })?;
        let volumes = node.volumes();
        mounts::detach_below(&node.folder, |mount| !mount.starts_with(&volumes))?;
        cgroups::remove(&nodes)?;
        node::volatile_folders(node)
            .iter()
            .try_for_each(|folder| remove_folder(folder))
    }

    /// Gives a node its power and its cable back; returns when its programs run, and not yet its pods.
    ///
    /// # Errors
    /// When there is no such node, or something of it does not start.
    pub fn start_node(&self, name: &str) -> Result<()> {
        let _turn = self.take_turn()?;
        let (layout, cache) = (&self.layout, &self.cache);
        let node = self.node(name)?;
        network::plug(layout, &node)?;
        cgroups::ensure(std::slice::from_ref(&node))?;
        node::start_containerd(layout, cache, &node)?;
        images::prepare(layout, cache, &node, &images::base_archives(cache)?)?;
        node::start_kubernetes(layout, cache, &node)
    }

    /// The node of that name.
    pub(super) fn node(&self, name: &str) -> Result<Node> {
        self.layout
            .node_named(name)
            .with_context(|| format!("there is no node {name}"))
    }

    fn processes_of(&self, node: &Node) -> Result<Vec<Process>> {
        let mut found = process::inside(std::slice::from_ref(&node.namespace))?;
        found.extend(cgroups::processes(std::slice::from_ref(node))?);
        let daemons = daemon::records(&self.layout)?;
        let own = node::PARTS.map(|part| node.daemon(part));
        found.extend(
            daemons
                .into_iter()
                .filter(|record| own.contains(&record.name) && record.process.is_running())
                .map(|record| record.process),
        );
        found.sort();
        found.dedup();
        Ok(found)
    }
}

fn remove_folder(folder: &Path) -> Result<()> {
    match std::fs::remove_dir_all(folder) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            Err(error).with_context(|| format!("failed to remove {}", folder.display()))
        }
        _ => Ok(()),
    }
}
