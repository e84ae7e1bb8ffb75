//! The promises of the whole house, kept on a real three-node Kubernetes while a writer never stops.
//!
//! One cluster serves all; the tests take turns on it. Those that cut cables need the test-bed and pass elsewhere.

mod faults;
mod network;
mod operator;
mod recovery;
mod rolls;
mod volumes;

use std::sync::{Arc, OnceLock};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, OPERATOR_NAMESPACE, Place, Writer, clear_leftovers, install_operator};
use e2e::testbed::Testbed;
use e2e::wait;
use tokio::sync::{Mutex, MutexGuard};

/// The zones of every Cluster under test.
const ZONES: [&str; 3] = ["a", "b", "c"];
/// How long Kubernetes may take to show what became of a pod.
const FAULT_SEEN_WITHIN: Duration = Duration::from_secs(120);
/// The longest pause of a writer whose leader is killed.
const LEADER_GAP_MS_MAX: u64 = 5_000;

/// Who has it has the machine for itself: two of these tests at once would be late.
pub static TURN: Mutex<()> = Mutex::const_new(());
static PLACE: OnceLock<Arc<Place>> = OnceLock::new();

/// A turn on the Kubernetes; the first brings it up.
async fn turn() -> (MutexGuard<'static, ()>, Arc<Place>) {
    let guard = TURN.lock().await;
    let place = PLACE.get_or_init(|| {
        let place = Place::ready().expect("the Kubernetes of the tests comes up");
        clear_leftovers(&place).expect("what an earlier run left goes");
        Arc::new(place)
    });
    (guard, place.clone())
}

/// A turn that may do anything to machines and networks. All is as it should be when it begins.
///
/// Nothing, with a word about it, where the Kubernetes is not the test-bed's.
async fn fault_turn() -> Result<Option<(MutexGuard<'static, ()>, Arc<Place>, Testbed)>> {
    let (guard, place) = turn().await;
    let Some(bed) = place.testbed()? else {
        e2e::tell(
            "not tried: only the test-bed's machines may lose power and have their cables cut",
        );
        return Ok(None);
    };
    for zone in ZONES {
        bed.heal_zone(zone)?;
    }
    bed.up()?;
    let machines = bed.nodes();
    let machines = machines.iter().map(|machine| machine.name.as_str());
    bed.kubectl(&[&["uncordon"][..], &machines.collect::<Vec<_>>()].concat())?;
    Ok(Some((guard, place, bed)))
}

/// The zone that a pod's name tells.
fn zone_of(pod: &str) -> &str {
    pod.split('-')
        .nth(1)
        .expect("pods are named data-<zone>-<number>")
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_becomes_a_cluster_that_keeps_what_it_is_given() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-create")?;
    let writer = Writer::start_early(&cluster)?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    writer.until_acknowledged().await?;
    let pods = cluster.pods()?;
    ensure!(pods.len() == 3, "three pods: {pods:?}");
    let (first, last) = (
        pods.first().context("a pod")?,
        pods.last().context("a pod")?,
    );
    cluster.ask_node(first, &["put", "greeting", "hello"])?;
    let read = cluster.ask_node(last, &["get", "greeting"])?;
    ensure!(read == "hello", "read through {last}: {read:?}");

    let zones = cluster.kubectl(&[
        "get",
        "statefulsets",
        "-o",
        "jsonpath={.items[*].metadata.name}",
    ])?;
    ensure!(
        zones == "data-a data-b data-c",
        "one StatefulSet a zone: {zones}"
    );
    writer.finish_interrupted(3).await?;
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn scaling_up_and_down_loses_nothing() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-scale")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    cluster.kubectl(&["scale", "clusters.kluster.dev/data", "--replicas=5"])?;
    cluster.until_ready(5).await?;
    let edit = r#"{"spec":{"replicas":3}}"#;
    cluster.kubectl(&[
        "patch",
        "clusters.kluster.dev/data",
        "--type=merge",
        "-p",
        edit,
    ])?;
    cluster.until_ready(3).await?;

    let volumes = cluster.kubectl(&["get", "pvc", "-o", "jsonpath={.items[*].metadata.name}"])?;
    ensure!(
        volumes.split_whitespace().count() == 5,
        "a volume is never deleted: {volumes}"
    );
    writer.finish(3).await?;
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_killed_leader_is_replaced_and_nothing_is_lost() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-leader")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    if place.testbed()?.is_some() {
        // Its process only: the pod stays, and its container starts once more.
        cluster.crash_leader().await?;
        cluster.until_ready(3).await?;
    }

    let leader = cluster.leader()?;
    let uid = |pod: &str| cluster.field(&format!("pod/{pod}"), ".metadata.uid");
    let before = uid(&leader)?;
    cluster.kubectl(&["delete", "pod", &leader, "--grace-period=0", "--force"])?;
    wait::until(
        "the leader's pod is another",
        FAULT_SEEN_WITHIN,
        async || {
            let now = uid(&leader)?;
            Ok(!now.is_empty() && now != before)
        },
    )
    .await?;
    cluster.until_ready(3).await?;
    let report = writer.finish(3).await?;
    ensure!(
        report.gap_ms_max < LEADER_GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cluster_deleted_and_applied_again_finds_its_data() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-adopt")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;
    let before = cluster.resource()?;
    let pod = cluster.pods()?.first().context("a pod")?.clone();
    cluster.ask_node(&pod, &["put", "kept", "over a deletion"])?;

    cluster.kubectl(&["delete", "clusters.kluster.dev", "data", "--wait=true"])?;
    wait::until("no pod is left", FAULT_SEEN_WITHIN, async || {
        Ok(cluster.pods()?.is_empty())
    })
    .await?;
    let volumes = cluster.kubectl(&["get", "pvc", "-o", "jsonpath={.items[*].metadata.name}"])?;
    ensure!(
        volumes.split_whitespace().count() == 3,
        "volumes are kept: {volumes}"
    );

    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let after = cluster.resource()?;
    let id = "/status/clusterId";
    ensure!(
        before.pointer(id) == after.pointer(id),
        "another cluster was formed: {after}"
    );
    let read = cluster.ask_node(&pod, &["get", "kept"])?;
    ensure!(read == "over a deletion", "read: {read:?}");
    let report = writer.finish_interrupted(3).await?;
    ensure!(
        report.refused > 0,
        "nobody took its writes in between: {report:?}"
    );
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn an_uninstalled_operator_leaves_running_nodes_alone() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-uninstall")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    place.commands.ask(
        "helm",
        &[
            "uninstall",
            "kluster",
            "--namespace",
            OPERATOR_NAMESPACE,
            "--wait",
        ],
    )?;
    let kept = place.commands.ask(
        "kubectl",
        &["get", "crd", "-o", "jsonpath={.items[*].metadata.name}"],
    )?;
    ensure!(
        kept.contains("clusters.kluster.dev") && kept.contains("clusternodes.kluster.dev"),
        "CRDs are kept: {kept}"
    );
    ensure!(cluster.pods()?.len() == 3, "pods are kept");
    let volumes = cluster.kubectl(&["get", "pvc", "-o", "jsonpath={.items[*].metadata.name}"])?;
    ensure!(
        volumes.split_whitespace().count() == 3,
        "volumes are kept: {volumes}"
    );
    writer.finish(3).await?;

    install_operator(&place.commands)?;
    cluster.until_ready(3).await?;
    cluster.clear()
}
