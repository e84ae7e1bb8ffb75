//! The chart, as helm alone sees it: no API server is asked.

use std::path::Path;

use anyhow::Result;
use e2e::commands::Commands;
use e2e::testbed::{PROJECT_IMAGE, PROJECT_IMAGE_OF_CHART};
use e2e::tools::{self, Cache, HELM};

const CHART: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../charts/kluster");

fn helm(arguments: &[&str]) -> Result<String> {
    tools::ensure(&Cache::from_environment()?, &HELM, HELM.programs)?;
    Commands::new(Path::new("/dev/null").to_owned())?.ask("helm", arguments)
}

fn render(values: &[&str]) -> Result<String> {
    let mut arguments = vec!["template", "kluster", CHART];
    arguments.extend(values);
    helm(&arguments)
}

#[test]
fn lint_has_nothing_to_say() {
    for scope in ["scope=Cluster", "scope=Namespace"] {
        let said = helm(&["lint", "--strict", CHART, "--set", scope]).unwrap();
        assert!(
            !said.contains("[WARNING]") && !said.contains("[ERROR]"),
            "{said}"
        );
    }
}

#[test]
fn a_bad_value_is_refused_by_its_key() {
    let cases = [
        ("replicas=9", "'/replicas'"),
        ("scope=Everywhere", "'/scope'"),
        ("image.tag=two words", "'/image/tag'"),
        ("image.repositry=typo", "'repositry'"),
        ("lease.durationSeconds=soon", "'/lease/durationSeconds'"),
        ("crds.install=maybe", "'/crds/install'"),
        ("colour=blue", "'colour'"),
    ];
    render(&[]).unwrap();
    // In quotes, as the schema's verdict has it: the error begins with the command, which has the key too.
    for (value, key) in cases {
        let error = render(&["--set", value]).expect_err(value).to_string();
        assert!(error.contains(key), "{value}: {error}");
    }
}

#[test]
fn the_images_that_are_asked_for_are_those_that_are_built() {
    let rendered = render(&[]).unwrap();
    let asked = format!("image: \"{PROJECT_IMAGE_OF_CHART}\"");
    assert!(rendered.contains(&asked), "{rendered}");
    for example in ["cluster", "single-node"] {
        let path = format!("{CHART}/examples/{example}.yaml");
        let text = std::fs::read_to_string(path).unwrap();
        assert!(
            text.contains(&format!("image: {PROJECT_IMAGE}\n")),
            "{text}"
        );
    }
}

#[test]
fn the_notes_tell_commands_that_kubectl_takes() {
    for scope in ["scope=Cluster", "scope=Namespace"] {
        let chart = ["install", "kluster", CHART, "--dry-run=client"];
        let shown = helm(&[&chart[..], &["--set", scope]].concat()).unwrap();
        let (_, notes) = shown.split_once("NOTES:").expect("the chart has notes");
        let mut watches = notes.lines().filter(|line| line.contains("--watch"));
        // kubectl watches one kind at a time.
        let watch = watches.next().expect("a command that watches");
        assert!(!watch.contains(','), "{watch}");
        assert!(watch.contains("clusters.kluster.dev"), "{watch}");
    }
}
