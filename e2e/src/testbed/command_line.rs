//! The command line of the test-bed.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};
use clap::{Parser, Subcommand, ValueEnum};

use super::{Cut, ProjectImage, Status, Testbed, policies, volumes};
use crate::environment;
use crate::tools::{self, Cache, HELM, KUBERNETES, TOOLS, debian};

/// A real three-node, three-zone Kubernetes on this machine (Debian, as root).
#[derive(Debug, Parser)]
#[command(name = "testbed")]
pub struct CommandLine {
    #[command(subcommand)]
    action: Action,
}

#[derive(Debug, Subcommand)]
enum Action {
    /// Bring it up; builds and installs what is missing, starts what does not run.
    Up,
    /// Take it down; leaves nothing behind.
    Down,
    /// Say what runs; fails unless all of it does.
    Status,
    /// Load image archives into every node.
    LoadImage {
        /// Archives as `docker save` writes them.
        #[arg(required = true)]
        archives: Vec<PathBuf>,
    },
    /// Build the pinned tools that the cache lacks.
    Build {
        /// Tools or single programs, such as `etcd` or `kube-apiserver`; all unless named.
        tools: Vec<String>,
    },
    /// Print the path of the administrator's kubeconfig file.
    Kubeconfig,
    /// The project's own image.
    #[command(subcommand)]
    Image(ImageAction),
    /// Take the power from a node, or give it back.
    Node {
        /// What happens.
        power: Power,
        /// The node, such as `node1`.
        name: String,
    },
    /// Cut a zone off from the others, or heal it.
    #[command(subcommand)]
    Zone(ZoneAction),
    /// Stop the API server, or start it again.
    ApiServer {
        /// What happens.
        power: Power,
    },
    /// Serve the Kubernetes of a test-bed; `up` starts this.
    #[command(hide = true)]
    Serve {
        /// What is served.
        what: Served,
        /// The state folder of the test-bed.
        state: PathBuf,
    },
    /// Run a light control plane (no nodes) until the standard input ends; print its kubeconfig and process ids.
    ControlPlane,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Power {
    /// Off, without a goodbye.
    Stop,
    /// On again.
    Start,
}

#[derive(Clone, Copy, Debug, ValueEnum)]
enum Served {
    /// NetworkPolicies.
    Policies,
    /// The StorageClass.
    Volumes,
}

#[derive(Debug, Subcommand)]
enum ZoneAction {
    /// Drop what passes between it and the others.
    Cut {
        /// The zone: `a`, `b` or `c`.
        zone: String,
        /// The control plane too.
        #[arg(long)]
        from_everything: bool,
    },
    /// Let everything pass again.
    Heal {
        /// The zone.
        zone: String,
    },
}

#[derive(Debug, Subcommand)]
enum ImageAction {
    /// Build it and, if the test-bed is up, load it into every node.
    Build {
        /// Folder of the built programs; `debug` below cargo's target folder unless named.
        #[arg(long)]
        programs: Option<PathBuf>,
        /// An image with glibc to build on; one made of Debian packages unless named.
        #[arg(long)]
        base: Option<String>,
    },
}

impl CommandLine {
    /// Does what the command line says.
    pub fn run(self) -> Result<()> {
        match self.action {
            Action::Up => up(),
            Action::Down => Testbed::from_environment()?.down(),
            Action::Status => status(),
            Action::LoadImage { archives } => Testbed::from_environment()?.load_images(&archives),
            Action::Build { tools } => build(&tools),
            Action::Kubeconfig => {
                println!("{}", Testbed::from_environment()?.kubeconfig().display());
                Ok(())
            }
            Action::Image(ImageAction::Build { programs, base }) => build_image(programs, base),
            Action::Node { power, name } => node(power, &name),
            Action::Zone(action) => zone(&action),
            Action::ApiServer { power } => api_server(power),
            Action::Serve { what, state } => serve(what, &state),
            Action::ControlPlane => control_plane(),
        }
    }
}

fn up() -> Result<()> {
    let testbed = Testbed::from_environment()?;
    testbed.up()?;
    let cache = testbed.cache();
    let (kubectl, helm) = (cache.programs(&KUBERNETES), cache.programs(&HELM));
    println!("export KUBECONFIG={}", testbed.kubeconfig().display());
    println!("export PATH={}:{}:$PATH", kubectl.display(), helm.display());
    println!("# take it down with: make cluster-down");
    Ok(())
}

fn status() -> Result<()> {
    match Testbed::from_environment()?.status()? {
        Status::Up => {
            println!("up");
            Ok(())
        }
        Status::Down => bail!("the test-bed is down"),
        Status::Damaged(missing) => bail!("the test-bed is damaged: {}", missing.join(", ")),
    }
}

fn node(power: Power, name: &str) -> Result<()> {
    let testbed = Testbed::from_environment()?;
    match power {
        Power::Stop => testbed.stop_node(name),
        Power::Start => testbed.start_node(name),
    }
}

fn zone(action: &ZoneAction) -> Result<()> {
    let testbed = Testbed::from_environment()?;
    match action {
        ZoneAction::Cut {
            zone,
            from_everything: true,
        } => testbed.cut_zone(zone, Cut::FromEverything),
        ZoneAction::Cut { zone, .. } => testbed.cut_zone(zone, Cut::FromOtherZones),
        ZoneAction::Heal { zone } => testbed.heal_zone(zone),
    }
}

fn api_server(power: Power) -> Result<()> {
    let testbed = Testbed::from_environment()?;
    match power {
        Power::Stop => testbed.stop_api_server(),
        Power::Start => testbed.start_api_server(),
    }
}

fn build(names: &[String]) -> Result<()> {
    let cache = Cache::from_environment()?;
    if names.is_empty() {
        return TOOLS
            .iter()
            .try_for_each(|tool| tools::ensure(&cache, tool, tool.programs));
    }
    for name in names {
        let (tool, programs) =
            tools::find(name).with_context(|| format!("there is no tool or program {name}"))?;
        tools::ensure(&cache, &tool, &programs)?;
    }
    Ok(())
}

fn build_image(programs: Option<PathBuf>, base: Option<String>) -> Result<()> {
    debian::ensure_packages()?;
    let programs = match programs {
        Some(folder) => folder,
        None => environment::programs()?,
    };
    let testbed = Testbed::from_environment()?;
    let built = ProjectImage { programs, base }.build(testbed.cache())?;
    for (name, archive) in built.names.iter().zip(&built.archives) {
        let megabytes = built.bytes as f64 / 1e6;
        println!("{name} {megabytes:.1} MB {}", archive.display());
    }
    match testbed.status()? {
        Status::Down => println!("not loaded: the test-bed is down"),
        Status::Up | Status::Damaged(_) => {
            testbed.load_images(&built.archives)?;
            println!("loaded into {} nodes", testbed.nodes().len());
        }
    }
    Ok(())
}

#[tokio::main(flavor = "current_thread")]
async fn serve(what: Served, state: &Path) -> Result<()> {
    let testbed = Testbed::recorded(state)?;
    match what {
        Served::Policies => policies::serve(testbed.layout()).await,
        Served::Volumes => volumes::serve(testbed.layout()).await,
    }
}

#[tokio::main(flavor = "current_thread")]
async fn control_plane() -> Result<()> {
    use crate::control_plane::{ControlPlane, Controllers, Options};
    let options = Options {
        controllers: Controllers::All,
        ..Options::default()
    };
    let control_plane = ControlPlane::start(options).await?;
    println!("{}", control_plane.kubeconfig().display());
    println!("{:?}", control_plane.process_ids());
    std::io::copy(&mut std::io::stdin(), &mut std::io::sink())
        .context("failed to wait for the end of the input")?;
    Ok(())
}
