//! Machines and networks fail.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer, holds, message};
use e2e::testbed::{Cut, Testbed};
use e2e::wait;
use serde_json::{Value, json};

use super::{ZONES, fault_turn, zone_of};

/// The longest pause of a writer when the leader, or the node it writes through, falls silent.
const GAP_MS_MAX: u64 = 5_000;
/// What a person says of a machine that is off for good.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";
/// How long a node may take to notice what was done to its network.
const NOTICED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test(flavor = "multi_thread")]
async fn machines_and_networks_fail_and_nothing_is_lost() -> Result<()> {
    let Some((_turn, place, bed)) = fault_turn().await? else {
        return Ok(());
    };
    let cluster = Cluster::in_namespace(&place, "e2e-faults")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let leader = cluster.leader()?;
    // The writer is to see the faults, not to suffer them.
    let safe = ZONES.iter().find(|zone| **zone != zone_of(&leader));
    let safe = safe.context("a zone without the leader")?;
    let writer = Writer::start_in(&cluster, safe).await?;

    a_machine_loses_power(&cluster, &bed, &leader).await?;
    let leader_now = cluster.leader()?;
    let cut_off = match zone_of(&leader_now) == *safe {
        true => &leader,
        false => &leader_now,
    };
    a_zone_is_cut_off(&cluster, &bed, cut_off).await?;
    a_machine_is_drained(&cluster, &cluster.leader()?).await?;

    let report = writer.finish(3).await?;
    ensure!(
        report.gap_ms_max < GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_machine_that_never_returns_is_replaced_when_a_person_says_so() -> Result<()> {
    let Some((_turn, place, bed)) = fault_turn().await? else {
        return Ok(());
    };
    let cluster = Cluster::in_namespace(&place, "e2e-lost-machine")?;
    // No zone has a second machine here: where none is asked for, the others take what the lost one had.
    cluster.apply_with(3, &json!({ "zones": [] }))?;
    cluster.until_ready(3).await?;
    let leader = cluster.leader()?;
    let machine = cluster.field(&format!("pod/{leader}"), ".spec.nodeName")?;
    let machines = bed.nodes();
    let safe = machines.iter().find(|other| other.name != machine);
    let writer = Writer::start_in(&cluster, safe.context("another machine")?.zone).await?;

    let replaced = a_machine_is_given_up(&cluster, &bed, &leader, &machine).await;
    // Whatever went wrong: the tests that follow need the machine.
    bed.start_node(&machine)?;
    cluster.kubectl(&["taint", "nodes", &machine, &format!("{OUT_OF_SERVICE}-")])?;
    replaced?;
    // Now that it is back after all: nothing of what it had disturbs those that took its place.
    wait::until("the machine is back", NOTICED_WITHIN, async || {
        let ready = r#".status.conditions[?(@.type=="Ready")].status"#;
        Ok(cluster.field(&format!("node/{machine}"), ready)? == "True")
    })
    .await?;
    cluster.until_ready(3).await?;
    let report = writer.finish(3).await?;
    ensure!(
        report.gap_ms_max < GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

/// The machine of the pod that leads loses its power for good, and what the page of conditions says is done: its pod and its
/// volume are made anew elsewhere, as another member.
async fn a_machine_is_given_up(
    cluster: &Cluster,
    bed: &Testbed,
    leader: &str,
    machine: &str,
) -> Result<()> {
    let (node, pod) = (format!("clusternode/{leader}"), format!("pod/{leader}"));
    let before = cluster.field(&node, ".status.memberId")?;
    bed.stop_node(machine)?;
    let silent = format!("{leader}: its machine says nothing");
    cluster
        .until(
            "another leads, and the silent machine is told of",
            |resource| {
                let told = message(resource, "Degraded");
                told.is_some_and(|told| told.contains(&silent)) && holds(resource, "Ready")
            },
        )
        .await?;

    let taint = format!("{OUT_OF_SERVICE}=nodeshutdown:NoExecute");
    cluster.kubectl(&["taint", "nodes", machine, &taint])?;
    cluster.kubectl(&["delete", &format!("pvc/data-{leader}"), "--wait=false"])?;
    cluster.kubectl(&["delete", &pod, "--ignore-not-found"])?;
    cluster.until_ready(3).await?;

    let after = cluster.field(&node, ".status.memberId")?;
    ensure!(after != before, "{leader} is {before} again, on no disk");
    let place = cluster.field(&pod, ".spec.nodeName")?;
    ensure!(place != machine, "{leader} is on {place}, which is off");
    let leading = format!("clusternode/{}", cluster.leader()?);
    let removed = cluster.field(&leading, ".status.removedIds")?;
    ensure!(
        removed.contains(&before),
        "the lost member {before} could come back: {removed}"
    );
    Ok(())
}

/// The machine of the pod that leads is drained as before an upgrade: the budget lets it go, and it comes back to its disk.
async fn a_machine_is_drained(cluster: &Cluster, leader: &str) -> Result<()> {
    let machine = cluster.field(&format!("pod/{leader}"), ".spec.nodeName")?;
    let others = ["--ignore-daemonsets", "--delete-emptydir-data", "--force"];
    let ours = ["--pod-selector=kluster.dev/cluster", "--timeout=120s"];
    let drained = cluster.kubectl(&[&["drain", &machine][..], &others, &ours].concat());
    let led = cluster
        .until("another leads", |resource| {
            let leads = resource
                .pointer("/status/log/leader")
                .and_then(Value::as_str);
            leads.is_some_and(|now| now != leader) && holds(resource, "Available")
        })
        .await;
    // Whatever went wrong: the tests that follow need the machine.
    cluster.kubectl(&["uncordon", &machine])?;
    drained?;
    led?;
    cluster.until_ready(3).await
}

/// The machine of the pod goes dark: another leads, and the node comes back to its place with its disk.
async fn a_machine_loses_power(cluster: &Cluster, bed: &Testbed, leader: &str) -> Result<()> {
    let machine = cluster.field(&format!("pod/{leader}"), ".spec.nodeName")?;
    let member = format!("clusternode/{leader}");
    let before = cluster.field(&member, ".status.memberId")?;
    bed.stop_node(&machine)?;
    cluster
        .until("another leads, and the lost node is known", |resource| {
            let leads = resource
                .pointer("/status/log/leader")
                .and_then(Value::as_str);
            leads.is_some_and(|now| now != leader)
                && resource.pointer("/status/readyReplicas") == Some(&2.into())
                && holds(resource, "Available")
        })
        .await?;
    bed.start_node(&machine)?;
    cluster.until_ready(3).await?;
    let after = cluster.field(&member, ".status.memberId")?;
    ensure!(
        after == before,
        "{leader} kept its disk and came back as {after}, not {before}"
    );
    Ok(())
}

/// The zone of `pod` hears nothing of the others: what it has is old and it says so, until it is healed.
async fn a_zone_is_cut_off(cluster: &Cluster, bed: &Testbed, pod: &str) -> Result<()> {
    let commits = |pod: &str| cluster.ask_node(pod, &["put", "probe", pod]).is_ok();
    let pods = cluster.pods()?;
    let other = pods.iter().find(|other| *other != pod);
    let other = other.context("another pod")?;
    bed.cut_zone(zone_of(pod), Cut::FromOtherZones)?;
    wait::until("the majority goes on", NOTICED_WITHIN, async || {
        Ok(commits(other))
    })
    .await?;
    ensure!(
        !commits(pod),
        "{pod} acknowledged a write that nobody else has"
    );
    let fresh = cluster.ask_node(pod, &["get", "probe"]);
    ensure!(
        fresh.is_err(),
        "{pod} called a read fresh that cannot be: {fresh:?}"
    );
    bed.heal_zone(zone_of(pod))?;
    wait::until("the zone is back", NOTICED_WITHIN, async || {
        Ok(commits(pod))
    })
    .await?;
    cluster.until_ready(3).await
}
