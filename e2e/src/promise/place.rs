//! Where the tests run: the Kubernetes of `KUBECONFIG`, or the test-bed's own, with the operator in it.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};

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

/// Installs the operator from the checkout's chart, or upgrades it, and waits until it runs.
///
/// # Errors
/// When helm says so.
pub fn install_operator(commands: &Commands) -> Result<()> {
    let chart = chart();
    let chart = chart.to_string_lossy();
    let (repository, tag) = (
        format!("image.repository={IMAGE}"),
        format!("image.tag={TAG}"),
    );
    let arguments = [
        "upgrade",
        "--install",
        "kluster",
        &chart,
        "--namespace",
        OPERATOR_NAMESPACE,
        "--create-namespace",
        "--set",
        &repository,
        "--set",
        &tag,
        "--wait",
        "--timeout",
        "3m",
    ];
    commands.ask("helm", &arguments)?;
    Ok(())
}

fn chart() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../charts/kluster")
}

fn bring_up() -> Result<PathBuf> {
    let testbed = environment::target()?.join("debug/testbed");
    for arguments in [&["up"][..], &["image", "build"][..]] {
        let status = Command::new(&testbed).args(arguments).status();
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
