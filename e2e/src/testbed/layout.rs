//! Where everything of one test-bed is: names, addresses, folders. No effect happens here.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::store::Store;

/// Test-beds that fit on one machine beside each other (their networks differ by it).
pub const SLOTS_MAX: u8 = 8;
/// Nodes of one test-bed.
pub const NODES_MAX: u8 = 9;
/// Port of the API server.
pub const API_PORT: u16 = 6443;

/// The names, addresses and folders of one test-bed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Folder with all state; gone after `down`.
    pub state: PathBuf,
    /// Which of the test-beds beside each other this is.
    pub slot: u8,
    /// How many nodes it has; zones a, b and c take turns.
    pub nodes: u8,
    /// Where the API server keeps its objects.
    pub store: Store,
}

/// One node of a test-bed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Node {
    /// Its name in Kubernetes.
    pub name: String,
    /// Its `topology.kubernetes.io/zone`.
    pub zone: &'static str,
    /// Its network namespace.
    pub namespace: String,
    /// Its address on the network of machines.
    pub address: String,
    /// The network of its pods.
    pub pods: String,
    /// Its folder below the state folder.
    pub folder: PathBuf,
    /// Its cgroup, in every hierarchy.
    pub cgroup: String,
    /// The end of its cable inside the control plane's namespace.
    pub cable: String,
}

impl Node {
    /// containerd's socket.
    pub fn socket(&self) -> PathBuf {
        self.folder.join("containerd.sock")
    }

    /// Folder of its volumes.
    pub fn volumes(&self) -> PathBuf {
        self.folder.join("volumes")
    }

    /// Name of the daemon `part` of this node, such as `node1-kubelet`.
    pub fn daemon(&self, part: &str) -> String {
        format!("{}-{part}", self.name)
    }
}

impl Layout {
    /// The prefix of every name outside the state folder.
    pub fn prefix(&self) -> String {
        format!("kluster{}", self.slot)
    }

    /// Network namespace of the control plane, with the bridge that joins all.
    pub fn control_namespace(&self) -> String {
        format!("{}-control", self.prefix())
    }

    /// The host's end of its cable to the test-bed; the other end is `host` in the control plane's namespace.
    pub fn host_cable(&self) -> String {
        format!("{}-host", self.prefix())
    }

    /// Address `last` on the network of machines: 1 is the control plane, 11 and up are nodes, 254 is the host.
    pub fn machine(&self, last: u8) -> String {
        format!("10.{}.0.{last}", 200 + self.slot)
    }

    /// Address of the control plane: API server, and name server on port 53.
    pub fn control_address(&self) -> String {
        self.machine(1)
    }

    /// URL of the API server, from everywhere.
    pub fn url(&self) -> String {
        format!("https://{}:{API_PORT}", self.control_address())
    }

    /// Network of all pods.
    pub fn pods(&self) -> String {
        format!("10.{}.0.0/16", 244 + self.slot)
    }

    /// Network of Services.
    pub fn services(&self) -> String {
        format!("10.{}.0.0/16", 96 + self.slot)
    }

    /// The first address of the network of Services: the Service `kubernetes`.
    pub fn first_service(&self) -> String {
        format!("10.{}.0.1", 96 + self.slot)
    }

    /// All nodes.
    pub fn all_nodes(&self) -> Vec<Node> {
        (1..=self.nodes).map(|index| self.node(index)).collect()
    }

    /// The node of that name, if there is one.
    pub fn node_named(&self, name: &str) -> Option<Node> {
        self.all_nodes().into_iter().find(|node| node.name == name)
    }

    fn node(&self, index: u8) -> Node {
        let name = format!("node{index}");
        Node {
            zone: match index % 3 {
                1 => "a",
                2 => "b",
                _ => "c",
            },
            namespace: format!("{}-{name}", self.prefix()),
            address: self.machine(10 + index),
            pods: format!("10.{}.{index}.0/24", 244 + self.slot),
            folder: self.state.join(&name),
            cgroup: format!("/{}-{name}", self.prefix()),
            cable: name.clone(),
            name,
        }
    }

    /// All network namespaces.
    pub fn namespaces(&self) -> Vec<String> {
        let nodes = self.all_nodes().into_iter().map(|node| node.namespace);
        std::iter::once(self.control_namespace())
            .chain(nodes)
            .collect()
    }

    /// Folder of keys, certificates and kubeconfig files.
    pub fn secrets(&self) -> PathBuf {
        self.state.join("secrets")
    }

    /// Folder of the programs' logs.
    pub fn logs(&self) -> PathBuf {
        self.state.join("logs")
    }

    /// Folder with a record for each daemon.
    pub fn daemons(&self) -> PathBuf {
        self.state.join("daemons")
    }

    /// The administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.state.join("kubeconfig")
    }

    /// File of this very layout, so that `down` knows what there is.
    pub fn record(state: &Path) -> PathBuf {
        state.join("layout.json")
    }
}
