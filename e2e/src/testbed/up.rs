//! `up`: makes what is missing, starts what does not run, waits until the nodes are ready.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde::Deserialize;

use super::layout::Layout;
use super::shell::{feed, run};
use super::{Testbed, cgroups, control, daemon, images, network, node, objects, secrets};
use crate::tools::{self, Cache, KUBERNETES, TOOLS, debian};
use crate::wait;

/// How long each of the waits may take on a busy machine.
const WITHIN: Duration = Duration::from_secs(180);

impl Testbed {
    /// Brings the test-bed up; does only what is still to be done, so that a second call is quick.
    pub fn up(&self) -> Result<()> {
        if !rustix::process::geteuid().is_root() {
            bail!("the test-bed makes network namespaces and mounts: it must be run as root");
        }
        let start = Instant::now();
        debian::ensure_packages()?;
        for tool in TOOLS {
            tools::ensure(&self.cache, tool, tool.programs)?;
        }
        let archives = images::base_archives(&self.cache)?;
        let _turn = self.take_turn()?;
        if self.belongs_to_an_earlier_boot() {
            step(
                start,
                "the machine was restarted since: clearing what is left",
            );
            self.remove_all()?;
        }
        let (layout, cache) = (&self.layout, &self.cache);
        self.write_record()?;
        secrets::ensure(layout)?;
        cgroups::ensure(&layout.all_nodes())?;
        network::ensure(layout)?;
        step(start, "network, cgroups and certificates are there");
        let server_is_new = control::start_server(layout, cache)?;
        for node in layout.all_nodes() {
            node::start_containerd(layout, cache, &node)?;
        }
        prepare_containerd(layout, cache, &archives)?;
        step(start, "containerd runs on each node, with its images");
        self.wait_for_api_server()?;
        step(start, "the API server is ready");
        if server_is_new {
            control::stop_controllers(layout)?;
        }
        control::start_controllers(layout, cache)?;
        for node in layout.all_nodes() {
            node::start_kubernetes(layout, cache, &node)?;
        }
        self.kubectl_apply(&objects::all().to_string())?;
        control::start_servers(layout)?;
        self.wait_for_nodes(start)?;
        self.wait_for_names()?;
        step(start, "the test-bed is up");
        Ok(())
    }

    /// Runs `kubectl` as the administrator and gives back what it prints.
    pub fn kubectl(&self, args: &[&str]) -> Result<String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let all = std::iter::once(kubeconfig.as_str()).chain(args.iter().copied());
        run(self.cache.program(&KUBERNETES, "kubectl"), all)
    }

    /// Applies manifests (YAML or JSON).
    pub fn kubectl_apply(&self, manifests: &str) -> Result<String> {
        let kubeconfig = format!("--kubeconfig={}", self.kubeconfig().display());
        let args = [
            kubeconfig.as_str(),
            "apply",
            "--server-side",
            "--filename=-",
        ];
        feed(&self.cache.program(&KUBERNETES, "kubectl"), args, manifests)
    }

    pub(super) fn wait_for_api_server(&self) -> Result<()> {
        wait::until_blocking("the API server is ready", WITHIN, || {
            for name in self.layout.store.daemons() {
                daemon::check_running(&self.layout, name)?;
            }
            daemon::check_running(&self.layout, "kube-apiserver")?;
            Ok(self.kubectl(&["get", "--raw", "/readyz"]).is_ok())
        })
    }

    fn wait_for_nodes(&self, start: Instant) -> Result<()> {
        let wanted = usize::from(self.layout.nodes);
        let mut told = 0;
        wait::until_blocking("all nodes are ready", WITHIN, || {
            for name in self.daemon_names() {
                daemon::check_running(&self.layout, &name)?;
            }
            let ready = self.ready_nodes()?.len();
            if ready > told {
                told = ready;
                step(start, &format!("{ready} of {wanted} nodes are ready"));
            }
            Ok(ready >= wanted)
        })
    }

    fn wait_for_names(&self) -> Result<()> {
        let address = format!("{}:8181", self.layout.control_address());
        let address: SocketAddr = address.parse().context("bad address of the name server")?;
        wait::until_blocking("the name server is ready", WITHIN, || {
            daemon::check_running(&self.layout, "coredns")?;
            Ok(answers_ok(address))
        })
    }

    /// The names of the nodes that are ready.
    pub fn ready_nodes(&self) -> Result<Vec<String>> {
        let text = self.kubectl(&["get", "nodes", "--output=json"])?;
        let list: NodeList =
            serde_json::from_str(&text).context("kubectl gave no list of nodes")?;
        let is_ready = |item: &NodeItem| {
            item.status
                .conditions
                .iter()
                .any(|it| it.kind == "Ready" && it.status == "True")
        };
        Ok(list
            .items
            .into_iter()
            .filter(is_ready)
            .map(|item| item.metadata.name)
            .collect())
    }

    /// The names of all daemons that a running test-bed has.
    pub fn daemon_names(&self) -> Vec<String> {
        let control = [
            control::API_SERVER,
            "kube-controller-manager",
            "kube-scheduler",
            "coredns",
        ];
        let of_nodes = self
            .layout
            .all_nodes()
            .into_iter()
            .flat_map(|node| node::PARTS.map(|part| node.daemon(part)));
        self.layout
            .store
            .daemons()
            .iter()
            .copied()
            .chain(control)
            .map(str::to_owned)
            .chain(control::SERVERS.map(str::to_owned))
            .chain(of_nodes)
            .collect()
    }
}

/// Says what was reached, and when.
fn step(start: Instant, what: &str) {
    eprintln!("{:6.1} s  {what}", start.elapsed().as_secs_f64());
}

fn prepare_containerd(
    layout: &Layout,
    cache: &Cache,
    archives: &[std::path::PathBuf],
) -> Result<()> {
    std::thread::scope(|scope| {
        let all: Vec<_> = layout
            .all_nodes()
            .into_iter()
            .map(|node| scope.spawn(move || images::prepare(layout, cache, &node, archives)))
            .collect();
        all.into_iter()
            .try_for_each(|one| one.join().expect("preparing a containerd does not panic"))
    })
}

/// Whether `GET /ready` is answered with 200.
fn answers_ok(address: SocketAddr) -> bool {
    let ask = || -> std::io::Result<String> {
        let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2))?;
        stream.set_read_timeout(Some(Duration::from_secs(2)))?;
        stream.write_all(b"GET /ready HTTP/1.0\r\n\r\n")?;
        let mut answer = String::new();
        stream.take(1_024).read_to_string(&mut answer)?;
        Ok(answer)
    };
    ask().is_ok_and(|answer| answer.split_whitespace().nth(1) == Some("200"))
}

#[derive(Deserialize)]
struct NodeList {
    items: Vec<NodeItem>,
}

#[derive(Deserialize)]
struct NodeItem {
    metadata: NodeMetadata,
    #[serde(default)]
    status: NodeStatus,
}

#[derive(Deserialize)]
struct NodeMetadata {
    name: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct NodeStatus {
    conditions: Vec<NodeCondition>,
}

#[derive(Deserialize)]
struct NodeCondition {
    #[serde(rename = "type")]
    kind: String,
    status: String,
}
