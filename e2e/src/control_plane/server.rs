//! Starting and stopping the programs.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::Api;
use kube::{Client, Config};
use tempfile::TempDir;

use super::Audit;
use super::flags::{self, Files, Ports};
use crate::child::Child;
use crate::tools::{self, Cache, ETCD, KUBERNETES};
use crate::{kubeconfig, wait};

/// How long a control plane may take until it is ready, on a busy machine.
const READY_WITHIN: Duration = Duration::from_secs(60);
/// How often a start is repeated when another process took one of the ports.
const STARTS_MAX: usize = 3;
const API_SERVER: &str = "kube-apiserver";

/// Which controllers run beside the API server.
#[derive(Clone, Debug, Default)]
pub enum Controllers {
    /// None: no pods from StatefulSets, no garbage collection, no token for a new namespace.
    #[default]
    None,
    /// All that a Kubernetes runs.
    All,
    /// Only these, by the names of kube-controller-manager's flag `--controllers`.
    Only(Vec<String>),
}

/// Where the API server keeps its objects.
#[derive(Clone, Debug, Default)]
pub enum Store {
    /// In an etcd that comes and goes with it.
    #[default]
    Etcd,
    /// In whatever speaks etcd's API at these URLs, and is there already.
    At(Vec<String>),
}

/// What to start.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// The store.
    pub store: Store,
    /// The controllers.
    pub controllers: Controllers,
    /// More flags for kube-apiserver, after ours.
    pub api_server_flags: Vec<String>,
}

/// A running control plane; stops when dropped.
///
/// One serves a whole test binary, with a namespace for each test. A `static` is never dropped, but the kernel
/// then stops the children with the process, and the next start removes the folder.
pub struct ControlPlane {
    // Fields drop in this order: nobody writes to an etcd that is gone.
    controller_manager: Option<Child>,
    api_server: Child,
    /// Nothing where it was there already.
    etcd: Option<Child>,
    /// How kube-apiserver was started.
    api_server_command: (PathBuf, Vec<String>),
    url: String,
    files: Files,
    audit: Audit,
    folder: TempDir,
}

impl ControlPlane {
    /// Starts the programs (and builds them first where the cache lacks them) and waits until they are ready.
    pub async fn start(options: Options) -> Result<Self> {
        let cache = Cache::from_environment()?;
        build(&cache, &options.controllers)?;
        remove_folders_of_the_dead()?;
        let mut attempt = 1;
        loop {
            match Self::start_once(&cache, &options).await {
                Err(error)
                    if attempt < STARTS_MAX
                        && format!("{error:#}").contains("address already in use") =>
                {
                    attempt += 1;
                }
                other => return other,
            }
        }
    }

    async fn start_once(cache: &Cache, options: &Options) -> Result<Self> {
        let folder = tempfile::Builder::new()
            .prefix(&format!("{FOLDER_PREFIX}{}-", std::process::id()))
            .tempdir()
            .context("failed to create a temporary folder")?;
        let ports = Ports::draw()?;
        let files = Files::write(folder.path(), &ports.url())?;
        let spawn = |tool, name: &str, args: &[String]| {
            Child::spawn(name, &cache.program(tool, name), args, folder.path())
        };
        let (etcd, servers) = match &options.store {
            Store::Etcd => {
                let etcd = spawn(&ETCD, "etcd", &flags::etcd(&files, ports))?;
                (Some(etcd), vec![flags::etcd_url(ports)])
            }
            Store::At(urls) => (None, urls.clone()),
        };
        let mut api_server_flags = flags::api_server(&files, ports, &servers);
        api_server_flags.extend(options.api_server_flags.iter().cloned());
        let api_server = spawn(&KUBERNETES, API_SERVER, &api_server_flags)?;
        let mut started = Self {
            controller_manager: None,
            api_server,
            etcd,
            api_server_command: (cache.program(&KUBERNETES, API_SERVER), api_server_flags),
            url: ports.url(),
            audit: Audit::at(files.audit_log.clone()),
            files,
            folder,
        };
        let client = match started.wait_for_api_server().await {
            Ok(client) => client,
            Err(error) => {
                let etcd = started.etcd.as_ref().map(Child::log_tail);
                return Err(error.context(format!(
                    "{}\n{}",
                    etcd.unwrap_or_default(),
                    started.api_server.log_tail()
                )));
            }
        };
        if let Some(controllers) = options.controllers.flag() {
            let args = flags::controller_manager(&started.files, ports, &controllers);
            let program = cache.program(&KUBERNETES, "kube-controller-manager");
            started.controller_manager = Some(Child::spawn(
                "kube-controller-manager",
                &program,
                &args,
                started.folder.path(),
            )?);
        }
        if matches!(options.controllers, Controllers::All) {
            started.wait_for_controllers(client).await?;
        }
        Ok(started)
    }

    /// The URL of the API server.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The administrator's kubeconfig file.
    pub fn kubeconfig(&self) -> &Path {
        &self.files.admin
    }

    /// The certificate of the authority that signed the API server's.
    pub fn authority(&self) -> &Path {
        &self.files.authority.certificate
    }

    /// The temporary folder, with the programs' logs; gone after the drop.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The audit log.
    pub fn audit(&self) -> &Audit {
        &self.audit
    }

    /// Takes the API server away, as a crash does: what it has in etcd stays.
    pub fn stop_api_server(&mut self) {
        self.api_server.kill();
    }

    /// Starts the API server again, at the same address, and waits until it is ready.
    pub async fn start_api_server(&mut self) -> Result<()> {
        let (program, args) = &self.api_server_command;
        self.api_server = Child::spawn(API_SERVER, program, args, self.folder.path())?;
        self.wait_for_api_server().await.map(drop)
    }

    /// The process ids, for tests of this very thing.
    pub fn process_ids(&self) -> Vec<u32> {
        let controllers = self.controller_manager.as_ref().map(Child::id);
        let etcd = self.etcd.as_ref().map(Child::id);
        [self.api_server.id()]
            .into_iter()
            .chain(etcd)
            .chain(controllers)
            .collect()
    }

    async fn wait_for_api_server(&mut self) -> Result<Client> {
        let mut config: Config = kubeconfig::load(&self.files.admin).await?;
        config.default_retry = false;
        let client = Client::try_from(config).context("failed to make a client")?;
        wait::until("the API server is ready", READY_WITHIN, async || {
            if let Some(etcd) = &mut self.etcd {
                etcd.check_running()?;
            }
            self.api_server.check_running()?;
            let request = http_get("/readyz")?;
            Ok(client.request_text(request).await.is_ok())
        })
        .await?;
        let namespaces = Api::<Namespace>::all(client.clone());
        wait::until("the namespace default exists", READY_WITHIN, async || {
            Ok(namespaces.get_opt("default").await?.is_some())
        })
        .await?;
        Ok(client)
    }

    async fn wait_for_controllers(&mut self, client: Client) -> Result<()> {
        let accounts = Api::<ServiceAccount>::namespaced(client, "default");
        let Some(controllers) = self.controller_manager.as_mut() else {
            return Ok(());
        };
        wait::until("the controllers work", READY_WITHIN, async || {
            controllers.check_running()?;
            Ok(accounts.get_opt("default").await?.is_some())
        })
        .await
        .with_context(|| controllers.log_tail())
    }
}

impl Controllers {
    fn flag(&self) -> Option<String> {
        match self {
            Self::None => None,
            Self::All => Some("*".to_owned()),
            Self::Only(names) => Some(names.join(",")),
        }
    }
}

fn http_get(path: &str) -> Result<http::Request<Vec<u8>>> {
    http::Request::get(path)
        .body(Vec::new())
        .context("failed to build a request")
}

fn build(cache: &Cache, controllers: &Controllers) -> Result<()> {
    let names: &[&str] = match controllers {
        Controllers::None => &["etcd", "kube-apiserver"],
        Controllers::All | Controllers::Only(_) => {
            &["etcd", "kube-apiserver", "kube-controller-manager"]
        }
    };
    for tool in [&ETCD, &KUBERNETES] {
        let wanted: Vec<_> = tool
            .programs
            .iter()
            .filter(|program| names.contains(&program.name))
            .copied()
            .collect();
        tools::ensure(cache, tool, &wanted)?;
    }
    Ok(())
}

const FOLDER_PREFIX: &str = "kluster-control-plane-";

/// Removes the folders of processes that died without dropping their control plane (a killed test, a `static`).
fn remove_folders_of_the_dead() -> Result<()> {
    let temporary = std::env::temp_dir();
    let entries = std::fs::read_dir(&temporary)
        .with_context(|| format!("failed to list {}", temporary.display()))?;
    for entry in entries.flatten() {
        let name = entry.file_name();
        let owner = name
            .to_str()
            .and_then(|name| name.strip_prefix(FOLDER_PREFIX)?.split('-').next());
        let Some(owner) = owner else { continue };
        if !PathBuf::from("/proc").join(owner).exists() {
            // Another test may be removing it at the same time; what is left goes with the next start.
            let _removed_by_another = std::fs::remove_dir_all(entry.path());
        }
    }
    Ok(())
}
