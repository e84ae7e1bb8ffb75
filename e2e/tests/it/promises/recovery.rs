//! A majority of the disks is lost for good.

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer, holds, reason};
use serde_json::json;

use super::turn;

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_majority_waits_for_a_person_who_names_the_survivor() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-recovery")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let pods = cluster.pods()?;
    let (survivor, lost) = pods.split_last().context("three pods")?;
    cluster.ask_node(survivor, &["put", "kept", "over the loss of a majority"])?;
    let node = format!("clusternode/{survivor}");
    let member = cluster.field(&node, ".status.memberId")?;
    let founded = cluster.field("clusters.kluster.dev/data", ".status.clusterId")?;

    for pod in lost {
        let claim = format!("pvc/data-{pod}");
        cluster.kubectl(&["delete", &claim, "--wait=false"])?;
    }
    let both: Vec<&str> = lost.iter().map(String::as_str).collect();
    cluster.kubectl(&[&["delete", "pod"][..], &both].concat())?;
    cluster
        .until("the loss of the majority is told", |resource| {
            !holds(resource, "Ready") && reason(resource, "QuorumHealthy") == Some("QuorumLost")
        })
        .await?;
    let refused = cluster.ask_node(survivor, &["put", "kept", "without a majority"]);
    ensure!(refused.is_err(), "one of three took a write: {refused:?}");
    let read = cluster.ask_node(survivor, &["get", "--consistency", "local", "kept"])?;
    ensure!(read == "over the loss of a majority", "read: {read:?}");

    let position = cluster.field(&node, ".status.position")?;
    cluster.change(&json!({ "operations": { "recoverFrom": {
        "memberId": member, "position": position, "acknowledgeLoss": true } } }))?;
    cluster.until_ready(3).await?;
    let resource = cluster.resource()?;
    let recovery = resource.pointer("/status/recovery");
    let recovery = recovery.context("what became of it is not told")?;
    ensure!(
        recovery.pointer("/incarnation") == Some(&1.into()) && recovery.get("refusal").is_none(),
        "it was not carried out: {recovery}"
    );
    let now = cluster.field("clusters.kluster.dev/data", ".status.clusterId")?;
    ensure!(now == founded, "another cluster was founded: {now}");
    for pod in &pods {
        let read = cluster.ask_node(pod, &["get", "kept"])?;
        ensure!(read == "over the loss of a majority", "{pod} read {read:?}");
    }
    Writer::start(&cluster).await?.finish(3).await?;
    cluster.clear()
}
