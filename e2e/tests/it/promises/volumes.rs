//! Disks are lost, fill up and grow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer};
use e2e::wait;

use super::turn;

/// How long a node may take to come back with an empty disk.
const REPLACED_WITHIN: Duration = Duration::from_secs(120);

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_volume_is_replaced_by_a_new_member() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-volume")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    let leader = cluster.leader()?;
    let pods = cluster.pods()?;
    let victim = pods.iter().find(|pod| **pod != leader);
    let victim = victim.context("a follower")?;
    let node = format!("clusternode/{victim}");
    let before = cluster.field(&node, ".status.memberId")?;
    let claim = format!("pvc/data-{victim}");
    cluster.kubectl(&["delete", &claim, "--wait=false"])?;
    cluster.kubectl(&["delete", "pod", victim])?;
    wait::until("the node has another id", REPLACED_WITHIN, async || {
        let now = cluster.field(&node, ".status.memberId")?;
        Ok(!now.is_empty() && now != before)
    })
    .await?;
    cluster.until_ready(3).await?;

    let leading = format!("clusternode/{}", cluster.leader()?);
    let members = cluster.field(&leading, ".status.voters")?;
    ensure!(
        !members.contains(&before),
        "the lost member {before} still votes: {members}"
    );
    let removed = cluster.field(&leading, ".status.removedIds")?;
    ensure!(
        removed.contains(&before),
        "the lost member {before} could come back: {removed}"
    );
    writer.finish(3).await?;
    cluster.clear()
}
