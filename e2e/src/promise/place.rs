//! Where the tests run: the Kubernetes of `KUBECONFIG`, or the test-bed's own, with the operator in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde_json::json;

use crate::commands::Commands;
use crate::environment;
use crate::testbed::Testbed;

/// Repository of the image under test.
pub const IMAGE: &str = "localhost/kluster";
/// Tag of the image under test.
pub const TAG: &str = "dev";
/// Namespace of the operator.
pub const OPERATOR_NAMESPACE: &str = "kluster-system";

/// A Kubernetes with the operator in it.
#[derive(Clone, Debug)]
pub struct Place {
    /// Commands that see it.
    pub commands: Commands,
}

impl Place {
    /// The cluster of `KUBECONFIG`, which must be able to run the image; without it the test-bed's, brought up and
    /// given the image.
    ///
    /// # Errors
    /// When the test-bed does not come up or the operator cannot be installed.
    pub fn ready() -> Result<Self> {
        let kubeconfig = match environment::kubeconfig() {
            Some(path) => path,
            None => bring_up()?,
        };
        let commands = Commands::new(kubeconfig)?;
        install_operator(&commands)?;
        Ok(Self { commands })
    }

    /// The test-bed, if the tests run on it: only there can machines lose power and networks be cut.
    ///
    /// # Errors
    /// When the test-bed's settings make no sense.
    pub fn testbed(&self) -> Result<Option<Testbed>> {
        let testbed = Testbed::from_environment()?;
        Ok((testbed.kubeconfig() == self.commands.kubeconfig()).then_some(testbed))
    }
}

/// Makes a namespace where the strictest pod security is enforced: a pod of ours that asks for more is refused.
///
/// # Errors
/// When kubectl says so.
pub fn make_namespace(commands: &Commands, name: &str) -> Result<()> {
    let manifest = json!({
        "apiVersion": "v1", "kind": "Namespace",
        "metadata": {"name": name, "labels": {"pod-security.kubernetes.io/enforce": "restricted"}},
    });
    commands.tell("kubectl", &["apply", "-f", "-"], &manifest.to_string())?;
    Ok(())
}

/// Installs the operator from the checkout's chart, or upgrades it, and waits until it runs.
///
/// # Errors
/// When kubectl or helm says so.
pub fn install_operator(commands: &Commands) -> Result<()> {
    make_namespace(commands, OPERATOR_NAMESPACE)?;
    let chart = chart();
    let chart = chart.to_string_lossy();
    let (repository, tag) = (
        format!("image.repository={IMAGE}"),
        format!("image.tag={TAG}"),
    );
    // The tag stays the same: without this an operator of an earlier build would go on.
    let built = format!("podAnnotations.kluster\\.dev/built={}", built()?);
    let arguments = [
        "upgrade",
        "--install",
        "kluster",
        &chart,
        "--namespace",
        OPERATOR_NAMESPACE,
        "--set",
        &repository,
        "--set",
        &tag,
        "--set-string",
        &built,
        "--wait",
        "--timeout",
        "3m",
    ];
    commands.ask("helm", &arguments)?;
    Ok(())
}

/// When the operator was built, in milliseconds since 1970.
fn built() -> Result<u128> {
    let program = environment::programs()?.join("kluster-operator");
    let read = || program.metadata()?.modified();
    let at = read().with_context(|| format!("failed to look at {}", program.display()))?;
    Ok(at.duration_since(std::time::UNIX_EPOCH)?.as_millis())
}

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kluster")
}

fn bring_up() -> Result<PathBuf> {
    let testbed = environment::programs()?.join("testbed");
    for arguments in [&["up"][..], &["image", "build"][..]] {
        // The standard output is the caller's own: `make bench` prints nothing but figures there.
        let status = Command::new(&testbed)
            .args(arguments)
            .stdout(std::io::stderr())
            .status();
        let status = status.with_context(|| format!("failed to start {}", testbed.display()))?;
        if !status.success() {
            bail!("failed: testbed {} ({status})", arguments.join(" "));
        }
    }
    let output = Command::new(&testbed).arg("kubeconfig").output()?;
    let path =
        String::from_utf8(output.stdout).context("the test-bed's kubeconfig path is no text")?;
    Ok(PathBuf::from(path.trim()))
}
