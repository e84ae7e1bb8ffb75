//! The steps of the demo, in order.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};

use super::screen::Screen;
use crate::commands::Commands;
use crate::tools::{Cache, HELM, KUBERNETES};

const IMAGE: &str = "localhost/kluster";
const TAG: &str = "dev";
/// Longest wait for a Cluster to become what was asked for.
const READY_WITHIN: Duration = Duration::from_secs(240);

/// Runs the whole demo from the checkout at `root` and leaves the cluster running.
///
/// # Errors
/// The first step that fails, with the command that failed; what was built until then stays.
pub fn run(root: &Path) -> Result<()> {
    let testbed = sibling("testbed")?;
    println!(
        "Kluster: from an empty machine to five nodes. Everything runs on this machine alone."
    );

    bring_up(&testbed)?;
    let kubeconfig = kubeconfig(&testbed)?;
    let mut screen = Screen::new(Commands::new(kubeconfig.clone())?);

    screen.step("Build the image of both programs and load it on every node");
    screen.run(&path_text(&testbed), &["image", "build"])?;

    screen.step("Install the operator");
    let chart = root.join("charts/kluster");
    install(&screen, &chart)?;

    screen.step("Create a Cluster of three nodes in three zones");
    screen.run(
        "kubectl",
        &[
            "apply",
            "-f",
            &path_text(&chart.join("examples/cluster.yaml")),
        ],
    )?;
    wait_for_nodes(&screen, 3)?;

    screen.step("Write a key through one node, read it through another");
    write_and_read(&screen)?;

    screen.step("Scale from three nodes to five");
    screen.run(
        "kubectl",
        &["scale", "clusters.kluster.dev/demo", "--replicas=5"],
    )?;
    wait_for_nodes(&screen, 5)?;

    screen.step("What Kubernetes says");
    screen.run("kubectl", &["get", "clusters.kluster.dev,clusternodes"])?;
    farewell(&kubeconfig)
}

fn bring_up(testbed: &Path) -> Result<()> {
    let status = Command::new(testbed)
        .arg("up")
        .stdin(Stdio::null())
        .status()
        .context("failed to start the test-bed")?;
    if !status.success() {
        bail!(
            "failed to bring the test-bed's Kubernetes up ({status}); `make cluster-down` clears what is left"
        );
    }
    Ok(())
}

fn kubeconfig(testbed: &Path) -> Result<PathBuf> {
    let output = Command::new(testbed).arg("kubeconfig").output()?;
    let path =
        String::from_utf8(output.stdout).context("the test-bed's kubeconfig path is no text")?;
    Ok(PathBuf::from(path.trim()))
}

fn install(screen: &Screen, chart: &Path) -> Result<()> {
    let repository = format!("image.repository={IMAGE}");
    let tag = format!("image.tag={TAG}");
    screen.run(
        "helm",
        &[
            "upgrade",
            "--install",
            "kluster",
            &path_text(chart),
            "--namespace",
            "kluster-system",
            "--create-namespace",
            "--set",
            &repository,
            "--set",
            &tag,
            "--wait",
            "--timeout",
            "3m",
        ],
    )
}

/// Waits until the Cluster is Ready with `nodes` nodes, telling each change of its columns.
fn wait_for_nodes(screen: &Screen, nodes: u32) -> Result<()> {
    let columns = "jsonpath={.status.conditions[?(@.type==\"Ready\")].status} \
                   {.status.conditions[?(@.type==\"Ready\")].reason} {.status.readyReplicas} {.status.log.voters} \
                   {.status.conditions[?(@.type==\"Progressing\")].status}";
    let done = format!("{nodes} {nodes} False");
    let start = Instant::now();
    let mut last = String::new();
    loop {
        let now = screen.ask(
            "kubectl",
            &["get", "clusters.kluster.dev/demo", "-o", columns],
        )?;
        if now != last {
            screen.say(&format!("Ready, reason, nodes, voters, progressing: {now}"));
            last = now;
        }
        if last.starts_with("True ") && last.ends_with(&done) {
            return Ok(());
        }
        if start.elapsed() > READY_WITHIN {
            screen.run("kubectl", &["describe", "clusters.kluster.dev/demo"])?;
            bail!(
                "the Cluster was not Ready with {nodes} nodes within {} s",
                READY_WITHIN.as_secs()
            );
        }
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn write_and_read(screen: &Screen) -> Result<()> {
    let addresses = screen.ask(
        "kubectl",
        &[
            "get",
            "pods",
            "-l",
            "kluster.dev/cluster=demo",
            "-o",
            "jsonpath={.items[*].status.podIP}",
        ],
    )?;
    let mut pods = addresses
        .split_whitespace()
        .map(|address| format!("http://{address}:8080"));
    let (Some(first), Some(second)) = (pods.next(), pods.next()) else {
        bail!("the Cluster has fewer than two pods with an address: {addresses:?}");
    };
    screen.run(
        "klusterctl",
        &["put", "--http", &first, "greeting", "hello from one node"],
    )?;
    let value = screen.ask("klusterctl", &["get", "--http", &second, "greeting"])?;
    screen.say(&format!("$ klusterctl get --http {second} greeting"));
    screen.say(&value);
    if value != "hello from one node" {
        bail!("the second node answered {value:?}");
    }
    Ok(())
}

fn farewell(kubeconfig: &Path) -> Result<()> {
    let cache = Cache::from_environment()?;
    let (kubectl, helm) = (cache.programs(&KUBERNETES), cache.programs(&HELM));
    let (config, kubectl, helm) = (kubeconfig.display(), kubectl.display(), helm.display());
    println!(
        "
It goes on running. To look around:
  export KUBECONFIG={config}
  export PATH={kubectl}:{helm}:$PATH
  kubectl get clusters.kluster.dev,clusternodes,pods -o wide
  kubectl describe clusters.kluster.dev/demo
  kubectl scale clusters.kluster.dev/demo --replicas=3
  kubectl -n kluster-system logs deploy/kluster-operator
To stop it and leave nothing behind: make cluster-down"
    );
    Ok(())
}

/// Another program of this crate, beside this one.
fn sibling(name: &str) -> Result<PathBuf> {
    let me = std::env::current_exe().context("failed to find this program's own path")?;
    let folder = me.parent().context("this program has no folder")?;
    Ok(folder.join(name))
}

fn path_text(path: &Path) -> String {
    path.display().to_string()
}
