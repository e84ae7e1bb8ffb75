//! A handle on a test-bed, whether it is up or not.

use std::fs::File;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use serde::{Deserialize, Serialize};

use super::images;
use super::layout::{Layout, NODES_MAX, Node, SLOTS_MAX};
use super::store::Store;
use crate::tools::Cache;

/// Nodes of a test-bed unless told otherwise: one in each zone.
const NODES: u8 = 3;

/// A test-bed, whether it is up or not.
#[derive(Clone, Debug)]
pub struct Testbed {
    pub(super) layout: Layout,
    pub(super) cache: Cache,
}

/// What the state folder says of itself.
#[derive(Debug, Deserialize, Serialize)]
struct Record {
    layout: Layout,
    boot: String,
}

impl Testbed {
    /// The test-bed that the environment names: three nodes in three zones.
    pub fn from_environment() -> Result<Self> {
        Self::new(Layout {
            state: crate::environment::state(),
            slot: 0,
            nodes: NODES,
            store: Store::from_environment()?,
        })
    }

    /// The test-bed of that layout. Several stand beside each other if their state folders and slots differ.
    pub fn new(layout: Layout) -> Result<Self> {
        ensure!(
            layout.state.is_absolute(),
            "the state folder must be an absolute path: {}",
            layout.state.display()
        );
        ensure!(
            layout.slot < SLOTS_MAX,
            "there are slots 0 to {}",
            SLOTS_MAX - 1
        );
        ensure!(
            (1..=NODES_MAX).contains(&layout.nodes),
            "a test-bed has 1 to {NODES_MAX} nodes"
        );
        Ok(Self {
            layout,
            cache: Cache::from_environment()?,
        })
    }

    /// The test-bed that `state` is the folder of.
    pub fn recorded(state: &Path) -> Result<Self> {
        let record = Layout::record(state);
        let text = std::fs::read_to_string(&record)
            .with_context(|| format!("failed to read {}", record.display()))?;
        let record: Record = serde_json::from_str(&text).context("bad record of a test-bed")?;
        Self::new(record.layout)
    }

    /// Its names, addresses and folders.
    pub fn layout(&self) -> &Layout {
        &self.layout
    }

    /// The cache of built programs.
    pub fn cache(&self) -> &Cache {
        &self.cache
    }

    /// Its nodes.
    pub fn nodes(&self) -> Vec<Node> {
        self.layout.all_nodes()
    }

    /// The administrator's kubeconfig file; there while the test-bed is up.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.kubeconfig()
    }

    /// Loads image archives (as `docker save` or `buildah push docker-archive:` write them) into every node.
    pub fn load_images(&self, archives: &[PathBuf]) -> Result<()> {
        images::load(&self.layout, &self.cache, archives)
    }

    /// Waits until no other process changes this test-bed; the file's lock ends with the returned value.
    pub(super) fn take_turn(&self) -> Result<File> {
        let path = format!("/run/{}-testbed.lock", self.layout.prefix());
        let file = File::create(&path).with_context(|| format!("failed to create {path}"))?;
        file.lock()
            .with_context(|| format!("failed to lock {path}"))?;
        Ok(file)
    }

    /// Makes the state folder and writes down what it belongs to, before anything else happens.
    pub(super) fn write_record(&self) -> Result<()> {
        let layout = &self.layout;
        for folder in [layout.secrets(), layout.logs(), layout.daemons()] {
            std::fs::create_dir_all(&folder)
                .with_context(|| format!("failed to create {}", folder.display()))?;
        }
        let record = Record {
            layout: layout.clone(),
            boot: boot()?,
        };
        super::config_file::write_json(
            &Layout::record(&layout.state),
            &serde_json::to_value(record)?,
        )
    }

    /// Whether the state folder is from before the machine's last start, so that only files of it are left.
    pub(super) fn belongs_to_an_earlier_boot(&self) -> bool {
        let record = std::fs::read_to_string(Layout::record(&self.layout.state));
        let record = record
            .ok()
            .and_then(|text| serde_json::from_str::<Record>(&text).ok());
        record.is_some_and(|record| boot().is_ok_and(|boot| boot != record.boot))
    }
}

fn boot() -> Result<String> {
    let id = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")
        .context("failed to read the boot id")?;
    Ok(id.trim().to_owned())
}
