//! The stand-in as a test sees it.

use std::net::Ipv4Addr;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use anyhow::{Context, Result, ensure};
use k8s_openapi::api::core::v1::Pod;
use kube::{Api, ResourceExt};
use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::addresses::Addresses;
use super::files::claimed_folder;
use super::processes::Processes;
use super::programs::program;
use super::shared::Shared;
use super::{nodes, status, sync, volumes};
use crate::child::log_tail;
use crate::control_plane::ControlPlane;

/// What a stand-in serves.
#[derive(Clone, Debug)]
pub struct Options {
    /// The one namespace whose pods it runs. It must exist.
    pub namespace: String,
    /// The zones: one node is registered for each.
    pub zones: Vec<String>,
    /// What `/usr/local/bin` of every container holds: the programs of the "images".
    pub programs: Vec<PathBuf>,
}

impl Options {
    /// Three zones `a`, `b` and `c`, and `kluster-node` as the one program.
    pub fn for_nodes(namespace: &str) -> Result<Self> {
        Ok(Self {
            namespace: namespace.to_owned(),
            zones: ["a", "b", "c"].map(str::to_owned).to_vec(),
            programs: vec![program("kluster-node")?],
        })
    }
}

/// A running stand-in. All its processes die when it is dropped.
pub struct Kubelet {
    shared: Arc<Shared>,
    nodes: Vec<String>,
    task: JoinHandle<()>,
    _folder: TempDir,
}

impl Kubelet {
    /// Registers the nodes and begins to run the namespace's pods.
    ///
    /// It needs a control plane with all controllers, and belongs to the runtime it is started in.
    pub async fn start(control_plane: &ControlPlane, options: Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix("kubelet-")
            .tempdir_in(control_plane.folder())
            .context("failed to create the folder of the stand-in kubelet")?;
        for part in ["logs", "pods", "programs", "volumes"] {
            std::fs::create_dir(folder.path().join(part))?;
        }
        copy_programs(&options.programs, &folder.path().join("programs"))?;
        let shared = Arc::new(Shared {
            client: control_plane.client().await?,
            namespace: options.namespace,
            folder: folder.path().to_owned(),
            api_server: host_and_port(control_plane.url())?,
            addresses: Addresses::claim()?,
            processes: Processes::default(),
            hosts: Mutex::default(),
        });
        volumes::make_class(&shared).await?;
        let nodes = nodes::register(&shared, &options.zones).await?;
        let task = tokio::spawn(sync::work(shared.clone(), nodes.clone()));
        Ok(Self {
            shared,
            nodes,
            task,
            _folder: folder,
        })
    }

    /// Kills the process of the pod of this name, as a crash would: SIGKILL. It is restarted.
    pub fn kill_pod(&self, name: &str) -> Result<()> {
        let process = self.shared.processes.id_of(name);
        let process = process.with_context(|| format!("{name} has no process"))?;
        let process = i32::try_from(process).ok().and_then(Pid::from_raw);
        let process = process.context("a process id is a number above zero")?;
        kill_process(process, Signal::KILL).with_context(|| format!("failed to kill {name}"))
    }

    /// The process id of the pod of this name, while it runs.
    pub fn process_id(&self, name: &str) -> Option<u32> {
        self.shared.processes.id_of(name)
    }

    /// The address of the pod of this name, the same for all its lives.
    pub fn address(&self, name: &str) -> Result<Ipv4Addr> {
        self.shared.addresses.of(name)
    }

    /// The folder of the pod's (first) persistent volume.
    pub async fn data_dir(&self, name: &str) -> Result<PathBuf> {
        let pods = Api::<Pod>::namespaced(self.shared.client.clone(), &self.shared.namespace);
        let spec = pods.get(name).await?.spec.unwrap_or_default();
        let mut volumes = spec.volumes.into_iter().flatten();
        let claim = volumes.find_map(|volume| volume.persistent_volume_claim);
        let claim = claim.with_context(|| format!("{name} has no persistent volume"))?;
        claimed_folder(&self.shared, &claim.claim_name).await
    }

    /// The file that holds the output of the pod of this name.
    pub fn log(&self, name: &str) -> PathBuf {
        self.shared.log(name)
    }

    /// The pods and the ends of all logs, for the message of a failed test.
    pub async fn describe(&self) -> String {
        let pods = Api::<Pod>::namespaced(self.shared.client.clone(), &self.shared.namespace);
        let mut text = match pods.list(&Default::default()).await {
            Ok(pods) => pods
                .iter()
                .map(|pod| {
                    let status = pod.status.clone().unwrap_or_default();
                    status::line(&pod.name_any(), &status) + "\n"
                })
                .collect(),
            Err(error) => format!("(failed to list the pods: {error})\n"),
        };
        let logs = std::fs::read_dir(self.shared.folder.join("logs"));
        let mut logs: Vec<PathBuf> = logs
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
            .collect();
        logs.sort();
        for log in logs {
            let name = log.file_stem().unwrap_or_default().to_string_lossy();
            text += &format!("--- the log of {name} ends:\n{}\n", log_tail(&log));
        }
        text
    }

    /// Kills all processes and takes the nodes away.
    pub async fn stop(self) -> Result<()> {
        self.task.abort();
        self.shared.processes.close();
        nodes::remove(&self.shared, &self.nodes).await
    }
}

impl Drop for Kubelet {
    fn drop(&mut self) {
        self.task.abort();
        self.shared.processes.close();
    }
}

fn copy_programs(programs: &[PathBuf], folder: &Path) -> Result<()> {
    for program in programs {
        let name = program.file_name().context("a program has a name")?;
        let copy = folder.join(name);
        std::fs::copy(program, &copy)
            .and_then(|_| std::fs::set_permissions(&copy, PermissionsExt::from_mode(0o755)))
            .with_context(|| format!("failed to copy {}", program.display()))?;
    }
    Ok(())
}

fn host_and_port(url: &str) -> Result<(String, String)> {
    let uri: http::Uri = url.parse().context("the API server has a URL")?;
    let authority = uri.authority().context("the API server has a host")?;
    let port = authority.port().context("the API server has a port")?;
    ensure!(!authority.host().is_empty(), "the API server has a host");
    Ok((authority.host().to_owned(), port.to_string()))
}
