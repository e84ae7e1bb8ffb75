//! Pods are replaced one by one, whoever dies meanwhile, and a bad image is no trap.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer, holds, reason};
use e2e::wait;
use serde_json::{Value, json};

use super::operator::kill_leading_operator;
use super::turn;

/// The longest pause of a writer while pods are replaced one by one.
const GAP_MS_MAX: u64 = 5_000;
/// How long a roll may take to begin.
const BEGUN_WITHIN: Duration = Duration::from_secs(60);

/// Names and UIDs of the nodes' pods.
fn uids(cluster: &Cluster) -> Result<BTreeMap<String, String>> {
    let uids = cluster.of_pods(".metadata.uid")?;
    Ok(cluster.pods()?.into_iter().zip(uids).collect())
}

/// How many pods of `before` are still the same.
fn kept(cluster: &Cluster, before: &BTreeMap<String, String>) -> Result<usize> {
    let now = uids(cluster)?;
    Ok(before
        .iter()
        .filter(|(name, uid)| now.get(*name) == Some(uid))
        .count())
}

/// Waits until every pod runs what the spec says and all is quiet.
async fn until_rolled(cluster: &Cluster) -> Result<()> {
    let current = |resource: &Value| {
        let generation = |path: &str| resource.pointer(path).and_then(Value::as_i64);
        holds(resource, "UpToDate")
            && generation("/status/observedGeneration") == generation("/metadata/generation")
    };
    cluster.until("every pod is current", current).await?;
    cluster.until_ready(3).await
}

#[tokio::test(flavor = "multi_thread")]
async fn rolls_replace_every_pod_and_stop_no_writer() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-roll")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    let before = uids(&cluster)?;
    cluster.change(&json!({"updates": {"restartedAt": "2030-01-01T00:00:00Z"}}))?;
    until_rolled(&cluster).await?;
    ensure!(
        kept(&cluster, &before)? == 0,
        "a pod was not restarted: {before:?}"
    );

    let before = uids(&cluster)?;
    cluster.change(&json!({"podTemplate": {"metadata": {"annotations": {"round": "two"}}}}))?;
    wait::until("the roll began", BEGUN_WITHIN, async || {
        Ok(kept(&cluster, &before)? == 2)
    })
    .await?;
    kill_leading_operator(&place).await?;
    until_rolled(&cluster).await?;
    ensure!(
        kept(&cluster, &before)? == 0,
        "a pod was left out: {before:?}"
    );
    let report = writer.finish(3).await?;
    ensure!(
        report.gap_ms_max < GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bad_image_and_a_fence_have_their_ways_back() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-back")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;
    a_bad_image_stops_at_one_pod(&cluster).await?;
    a_fenced_leader_steps_aside(&cluster).await?;
    let report = writer.finish(3).await?;
    ensure!(
        report.gap_ms_max < GAP_MS_MAX,
        "the writer paused too long: {report:?}"
    );
    cluster.clear()
}

async fn a_bad_image_stops_at_one_pod(cluster: &Cluster) -> Result<()> {
    let resource = cluster.resource()?;
    let good = resource.pointer("/spec/image").context("an image")?;
    let before = uids(cluster)?;
    cluster.change(&json!({"image": "localhost/kluster:no-such-tag"}))?;
    cluster
        .until("the status tells of the roll that is stuck", |resource| {
            resource
                .pointer("/status")
                .is_some_and(|status| status.to_string().contains("RollBlocked"))
        })
        .await?;
    ensure!(
        kept(cluster, &before)? == 2,
        "the roll went on over a broken pod"
    );
    ensure!(
        holds(&cluster.resource()?, "Available"),
        "two good nodes accept writes"
    );
    cluster.change(&json!({"image": good}))?;
    until_rolled(cluster).await?;
    ensure!(
        kept(cluster, &before)? == 2,
        "pods that were current were replaced"
    );
    Ok(())
}

async fn a_fenced_leader_steps_aside(cluster: &Cluster) -> Result<()> {
    let fenced = cluster.leader()?;
    let member = format!("clusternode/{fenced}");
    let before = cluster.field(&member, ".status.memberId")?;
    let pods = uids(cluster)?;
    cluster.change(&json!({"operations": {"fencedNodes": [fenced]}}))?;
    cluster
        .until("the fenced node neither leads nor votes", |resource| {
            let leader = resource
                .pointer("/status/log/leader")
                .and_then(Value::as_str);
            leader.is_some_and(|now| now != fenced)
                && resource.pointer("/status/log/voters") == Some(&2.into())
                && reason(resource, "Degraded") == Some("NodesFenced")
        })
        .await?;
    wait::until(
        "the fenced node serves no client",
        BEGUN_WITHIN,
        async || Ok(cluster.ask_node(&fenced, &["put", "fenced", "no"]).is_err()),
    )
    .await?;
    cluster.change(&json!({"operations": {"fencedNodes": []}}))?;
    cluster.until_ready(3).await?;
    let after = cluster.field(&member, ".status.memberId")?;
    ensure!(
        after == before,
        "{fenced} kept its disk and came back as {after}, not {before}"
    );
    ensure!(uids(cluster)? == pods, "a fence restarts nothing");
    Ok(())
}
