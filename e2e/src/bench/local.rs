//! Three nodes as plain processes on loopback, on the disk the cache lies on. Each has an address of its own, as pods do, and
//! serves clients of etcd at the port that the others do: from both, the members know where each of them is reached.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde::Deserialize;
use serde_json::Value;
use tempfile::TempDir;

use crate::child::{dies_with_us, spawn_kept};
use crate::environment;

/// The addresses a node prints when it has bound them.
#[derive(Debug, Default, Deserialize)]
struct Bound {
    http: String,
    etcd: String,
    admin: String,
    peers: String,
    metrics: String,
}

/// The nodes, and the address of each.
const NODES: [(&str, &str); 3] = [("a", "127.0.0.1"), ("b", "127.0.0.2"), ("c", "127.0.0.3")];

struct Node {
    name: &'static str,
    host: &'static str,
    child: Child,
    bound: Bound,
}

/// How a node is lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// SIGKILL; it is started again.
    Killed,
    /// SIGSTOP; it goes on where it was.
    Stopped,
}

/// What clients do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Work {
    /// They write, each one thing at a time.
    Writes,
    /// As many writes are under way, over a few streams.
    Streams,
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

/// Writes that are under way on one stream.
const WRITES_PER_STREAM: u32 = 64;

/// Three nodes that form one cluster. They end when this is dropped.
pub struct Trio {
    nodes: Vec<Node>,
    folder: TempDir,
    /// The section `log` of their config, and what follows it.
    log: String,
}

impl Trio {
    /// Starts three nodes on empty disks and forms a cluster of them.
    ///
    /// # Errors
    /// When a node does not start or the cluster cannot be formed.
    pub fn start() -> Result<Self> {
        Self::start_with("")
    }

    /// [`Trio::start`], with these lines in the section `log` of each config, and other sections after them.
    ///
    /// # Errors
    /// As of [`Trio::start`].
    pub fn start_with(log: &str) -> Result<Self> {
        let folder = tempfile::tempdir_in(environment::cache()?)?;
        std::fs::write(
            folder.path().join("key"),
            "0123456789abcdef0123456789abcdef",
        )?;
        let mut trio = Self {
            nodes: Vec::new(),
            folder,
            log: log.to_owned(),
        };
        for (name, host) in NODES {
            let first = trio.nodes.first().map(|node| node.bound.etcd.clone());
            let before = Bound {
                etcd: first.unwrap_or_default(),
                ..Bound::default()
            };
            let (child, bound) = trio.start_node(name, host, &before)?;
            trio.nodes.push(Node {
                name,
                host,
                child,
                bound,
            });
        }
        let mut init = trio.klusterctl()?;
        init.arg("init");
        for node in &trio.nodes {
            init.args(["--admin", &node.bound.admin]);
        }
        answer(init)?;
        Ok(trio)
    }

    /// Starts a node at the ports it had before, or at free ones.
    fn start_node(&self, name: &str, host: &str, before: &Bound) -> Result<(Child, Bound)> {
        let port = |address: &str| {
            let port = address.rsplit_once(':').map(|(_, port)| port.to_owned());
            port.unwrap_or_else(|| "0".to_owned())
        };
        let data = self.folder.path().join(name);
        let config = self.folder.path().join(format!("{name}.toml"));
        let text = format!(
            "data_dir = {:?}\ncluster_key_file = {:?}\n[listen]\nhost = {host:?}\nhttp_port = {}\netcd_port = {}\n\
             admin_port = {}\n\
             peer_port = {}\nmetrics_port = {}\n[advertise]\nhost = {host:?}\n[log]\n{}",
            data,
            self.folder.path().join("key"),
            port(&before.http),
            port(&before.etcd),
            port(&before.admin),
            port(&before.peers),
            port(&before.metrics),
            self.log,
        );
        std::fs::write(&config, text)?;
        let log = std::fs::File::create(self.folder.path().join(format!("{name}.log")))?;
        let mut command = dies_with_us(&program("kluster-node")?);
        command
            .arg("--config")
            .arg(&config)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(log);
        let mut child = spawn_kept(command).context("failed to start kluster-node")?;
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
            Ok(bound) => Ok((child, bound)),
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
    pub fn load(&self, clients: u32, seconds: u32, work: Work, at: Place) -> Result<Value> {
        let in_flight = clients.min(WRITES_PER_STREAM).to_string();
        let (clients, more): (u32, &[&str]) = match work {
            Work::Writes => (clients, &[]),
            Work::Streams => (
                clients.div_ceil(WRITES_PER_STREAM),
                &["--streams", "--in-flight", &in_flight],
            ),
            Work::Reads => (clients, &["--read-percent", "100"]),
        };
        self.bench(clients, seconds, at, more)
    }

    /// Has clients write values of 4 KiB to the leader for some seconds.
    ///
    /// # Errors
    /// When the load does not run.
    pub fn fill(&self, seconds: u32) -> Result<()> {
        let large = ["--value-bytes", "4096"];
        self.bench(64, seconds, Place::Leader, &large).map(drop)
    }

    fn bench(&self, clients: u32, seconds: u32, at: Place, more: &[&str]) -> Result<Value> {
        let (clients, seconds) = (clients.to_string(), seconds.to_string());
        let mut bench = self.klusterctl()?;
        bench.args(["bench", "--json", "--http", &self.address(at)?]);
        bench.args(["--clients", &clients, "--seconds", &seconds]);
        bench.args(more).arg("--dir").arg(self.folder.path());
        serde_json::from_str(&answer(bench)?).context("klusterctl bench printed no JSON")
    }

    /// MiB of the files in a folder of a node's data.
    ///
    /// # Errors
    /// When there is no such folder.
    pub fn mib_of(&self, node: usize, folder: &str) -> Result<f64> {
        let node = self.nodes.get(node).context("no such node")?;
        let mut bytes = 0;
        for file in std::fs::read_dir(self.folder.path().join(node.name).join(folder))? {
            // One that went meanwhile takes no room.
            bytes += file?.metadata().map_or(0, |file| file.len());
        }
        Ok(bytes as f64 / f64::from(1 << 20))
    }

    /// The nodes' processes.
    pub fn processes(&self) -> Vec<u32> {
        self.nodes.iter().map(|node| node.child.id()).collect()
    }

    /// HTTP address of the node that leads, or of one that follows.
    fn address(&self, at: Place) -> Result<String> {
        let leader = self.leader().context("no node leads")?;
        Ok(self.url(match at {
            Place::Leader => leader,
            Place::Follower => (leader + 1) % self.nodes.len(),
        }))
    }

    /// HTTP address of a node.
    pub fn url(&self, node: usize) -> String {
        let bound = self.nodes.get(node).map(|node| node.bound.http.as_str());
        format!("http://{}", bound.unwrap_or_default())
    }

    /// Where a node serves clients of etcd.
    pub fn etcd_url(&self, node: usize) -> String {
        let bound = self.nodes.get(node).map(|node| node.bound.etcd.as_str());
        format!("http://{}", bound.unwrap_or_default())
    }

    /// Which node leads, if one that answers does.
    pub fn leader(&self) -> Option<usize> {
        let leads = |status: Value| status.get("role").is_some_and(|role| role == "leader");
        let mut nodes = self.nodes.iter();
        nodes.position(|node| self.status(node).is_ok_and(leads))
    }

    /// The term that all nodes are in, or the highest.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn term(&self) -> Result<u64> {
        let terms = self.statuses()?;
        let terms = terms
            .iter()
            .filter_map(|status| status.get("term")?.as_u64());
        Ok(terms.max().unwrap_or_default())
    }

    /// Whether all nodes are ready and follow one leader, which has them all with it.
    ///
    /// # Errors
    /// When one does not answer.
    pub fn is_whole(&self) -> Result<bool> {
        let statuses = self.statuses()?;
        let ready = |status: &Value| status.get("ready") == Some(&Value::Bool(true));
        let leaders: BTreeSet<_> = statuses
            .iter()
            .map(|status| status.get("leaderId").map(ToString::to_string))
            .collect();
        let caught_up = |status: &Value| {
            let members = status.get("members").and_then(Value::as_array);
            members.is_some_and(|members| {
                members
                    .iter()
                    .all(|member| member.get("caughtUp") == Some(&Value::Bool(true)))
            })
        };
        let leading = |status: &&Value| status.get("role").is_some_and(|role| role == "leader");
        let mut leading = statuses.iter().filter(leading);
        let together = leading.next().is_some_and(caught_up) && leading.next().is_none();
        Ok(statuses.iter().all(ready) && leaders.len() == 1 && together)
    }

    fn statuses(&self) -> Result<Vec<Value>> {
        self.nodes.iter().map(|node| self.status(node)).collect()
    }

    fn status(&self, node: &Node) -> Result<Value> {
        let mut status = self.klusterctl()?;
        status.args(["status", "--json", "--admin", &node.bound.admin]);
        Ok(serde_json::from_str(&answer(status)?)?)
    }

    /// Loses a node.
    ///
    /// # Errors
    /// When there is no such process.
    pub fn lose(&mut self, node: usize, loss: Loss) -> Result<()> {
        let child = self.child(node)?;
        match loss {
            Loss::Killed => {
                child.kill()?;
                child.wait()?;
            }
            Loss::Stopped => kill_process(Pid::from_child(child), Signal::STOP)?,
        }
        Ok(())
    }

    /// Has a node back that was lost.
    ///
    /// # Errors
    /// When it does not start.
    pub fn bring_back(&mut self, node: usize, loss: Loss) -> Result<()> {
        match loss {
            Loss::Stopped => kill_process(Pid::from_child(self.child(node)?), Signal::CONT)?,
            Loss::Killed => {
                let lost = self.nodes.get(node).context("no such node")?;
                let (child, bound) = self.start_node(lost.name, lost.host, &lost.bound)?;
                if let Some(node) = self.nodes.get_mut(node) {
                    (node.child, node.bound) = (child, bound);
                }
            }
        }
        Ok(())
    }

    fn child(&mut self, node: usize) -> Result<&mut Child> {
        let node = self.nodes.get_mut(node).context("no such node")?;
        Ok(&mut node.child)
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
