//! Three nodes as plain processes on loopback, on the disk the cache lies on.

use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use tempfile::TempDir;

use super::process;
use crate::environment;

/// The addresses a node prints when it has bound them.
#[derive(Debug, Deserialize)]
struct Bound {
    http: String,
    admin: String,
}

struct Node {
    child: Child,
    bound: Bound,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They write.
    Writes,
    /// They read, linearizable.
    Reads,
}

/// Which node they do it at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    /// The one that leads.
    Leader,
    /// One that follows.
    Follower,
}

/// Three nodes that form one cluster. They end when this is dropped.
pub struct Trio {
    nodes: Vec<Node>,
    folder: TempDir,
}

impl Trio {
    /// Starts three nodes on empty disks and forms a cluster of them.
    ///
    /// # Errors
    /// When a node does not start or the cluster cannot be formed.
    pub fn start() -> Result<Self> {
        let folder = tempfile::tempdir_in(environment::cache()?)?;
        std::fs::write(
            folder.path().join("key"),
            "0123456789abcdef0123456789abcdef",
        )?;
        let mut trio = Self {
            nodes: Vec::new(),
            folder,
        };
        for name in ["a", "b", "c"] {
            let node = trio.start_node(name)?;
            trio.nodes.push(node);
        }
        let mut init = trio.klusterctl()?;
        init.arg("init");
        for node in &trio.nodes {
            init.args(["--admin", &node.bound.admin]);
        }
        answer(init)?;
        Ok(trio)
    }

    fn start_node(&self, name: &str) -> Result<Node> {
        let data = self.folder.path().join(name);
        let config = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            "data_dir = {:?}\ncluster_key_file = {:?}\n[listen]\nhost = \"127.0.0.1\"\nhttp_port = 0\nadmin_port = 0\n\
             peer_port = 0\nmetrics_port = 0\n[advertise]\nhost = \"127.0.0.1\"\n",
            data,
            self.folder.path().join("key")
        );
        std::fs::write(&config, text)?;
        let log = std::fs::File::create(self.folder.path().join(format!("{name}.log")))?;
        let mut child = Command::new(program("kluster-node")?)
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log)
            .spawn()
            .context("failed to start kluster-node")?;
        let stdout = child
            .stdout
            .take()
            .context("the node has no standard output")?;
        let mut line = String::new();
        BufReader::new(stdout).read_line(&mut line)?;
        let bound = serde_json::from_str(&line).with_context(|| {
            let log = self.folder.path().join(format!("{name}.log"));
            format!(
                "node {name} did not start: {}",
                std::fs::read_to_string(log).unwrap_or_default()
            )
        });
        match bound {
            Ok(bound) => Ok(Node { child, bound }),
            Err(error) => {
                child.kill()?;
                child.wait()?;
                Err(error)
            }
        }
    }

    /// Has clients write to a node, or read from it, for some seconds; returns what `klusterctl bench --json` printed.
    ///
    /// # Errors
    /// When the load does not run.
    pub fn load(
        &self,
        clients: u32,
        seconds: u32,
        work: Work,
        at: Place,
    ) -> Result<serde_json::Value> {
        let mut bench = self.klusterctl()?;
        bench.args(["bench", "--json", "--value-bytes", "256"]);
        bench.args(["--http", &self.address(at)?]);
        bench.args([
            "--clients",
            &clients.to_string(),
            "--seconds",
            &seconds.to_string(),
        ]);
        if work == Work::Reads {
            bench.args(["--read-percent", "100"]);
        }
        bench.arg("--dir").arg(self.folder.path());
        serde_json::from_str(&answer(bench)?).context("klusterctl bench printed no JSON")
    }

    /// CPU time of all three nodes so far, in microseconds.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn cpu_us(&self) -> Result<u64> {
        self.nodes
            .iter()
            .map(|node| process::cpu_us(node.child.id()))
            .sum()
    }

    /// Memory of the largest of the nodes, in MiB.
    ///
    /// # Errors
    /// When one of them has ended.
    pub fn memory_mib(&self) -> Result<f64> {
        let each: Result<Vec<f64>> = self
            .nodes
            .iter()
            .map(|node| process::memory_mib(node.child.id()))
            .collect();
        Ok(each?.into_iter().fold(0.0, f64::max))
    }

    /// HTTP address of the node that leads, or of one that follows.
    fn address(&self, at: Place) -> Result<String> {
        let role = match at {
            Place::Leader => "leader",
            Place::Follower => "follower",
        };
        for node in &self.nodes {
            let mut status = self.klusterctl()?;
            status.args(["status", "--json", "--admin", &node.bound.admin]);
            let status: serde_json::Value = serde_json::from_str(&answer(status)?)?;
            if status.get("role").and_then(|r| r.as_str()) == Some(role) {
                return Ok(format!("http://{}", node.bound.http));
            }
        }
        bail!("no node is {role}")
    }

    fn klusterctl(&self) -> Result<Command> {
        let mut command = Command::new(program("klusterctl")?);
        command
            .arg("--key-file")
            .arg(self.folder.path().join("key"))
            .stdin(Stdio::null());
        Ok(command)
    }
}

impl Drop for Trio {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            // A child that has ended by itself cannot be killed again; waiting for it is all that is left to do.
            if node.child.kill().is_ok() {
                node.child.wait().ok();
            }
        }
    }
}

fn program(name: &str) -> Result<PathBuf> {
    let path = environment::programs()?.join(name);
    if !Path::new(&path).exists() {
        bail!("{} is not built: cargo build --workspace", path.display());
    }
    Ok(path)
}

fn answer(mut command: Command) -> Result<String> {
    let output = command
        .stderr(Stdio::piped())
        .output()
        .context("failed to start klusterctl")?;
    if !output.status.success() {
        bail!(
            "failed: {command:?}: {}",
            String::from_utf8_lossy(&output.stderr).trim()
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
