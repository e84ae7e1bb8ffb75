//! What runs of a test-bed.

use anyhow::Result;

use super::{Record, Testbed, daemon};

/// What runs of a test-bed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Status {
    /// Nothing.
    Down,
    /// All of it, and the nodes are ready.
    Up,
    /// Some of it; what is missing.
    Damaged(Vec<String>),
}

impl Testbed {
    /// The daemons that were started, whether they still run or not.
    pub fn daemons(&self) -> Result<Vec<Record>> {
        daemon::records(&self.layout)
    }

    /// Looks at every daemon and asks the API server about the nodes.
    pub fn status(&self) -> Result<Status> {
        if self.leftovers()?.is_empty() {
            return Ok(Status::Down);
        }
        let stopped = self
            .daemon_names()
            .into_iter()
            .filter(|name| daemon::check_running(&self.layout, name).is_err());
        let mut missing: Vec<String> = stopped.map(|name| format!("{name} does not run")).collect();
        if missing.is_empty() {
            let ready = self.ready_nodes()?;
            let absent = self
                .nodes()
                .into_iter()
                .filter(|node| !ready.contains(&node.name));
            missing.extend(absent.map(|node| format!("{} is not ready", node.name)));
        }
        Ok(if missing.is_empty() {
            Status::Up
        } else {
            Status::Damaged(missing)
        })
    }
}
