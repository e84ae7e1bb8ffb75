//! Disks are lost, fill up and grow.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer, holds, message, reason};
use e2e::wait;
use serde_json::{Value, json};

use super::{fault_turn, turn};

/// How long a node may take to come back with an empty disk.
const REPLACED_WITHIN: Duration = Duration::from_secs(120);
/// How long it may take to fill the disks.
const FILLED_WITHIN: Duration = Duration::from_secs(180);

#[tokio::test(flavor = "multi_thread")]
async fn a_lost_volume_is_replaced_by_a_new_member() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-volume")?;
    // So short a log cannot fill an empty disk any more: a snapshot must.
    let log = json!({"snapshotEveryEntries": 200, "keepEntries": 50});
    cluster.apply_with(3, &json!({ "config": { "log": log } }))?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;

    let leader = cluster.leader()?;
    let pods = cluster.pods()?;
    let victim = pods.iter().find(|pod| **pod != leader);
    let victim = victim.context("a follower")?;
    let node = format!("clusternode/{victim}");
    let before = cluster.field(&node, ".status.memberId")?;
    wait::until(
        "the log no longer has its beginning",
        REPLACED_WITHIN,
        async || Ok(cluster.metric(&leader, "kluster_purged_index")? > 0.0),
    )
    .await?;
    let claim = format!("pvc/data-{victim}");
    cluster.kubectl(&["delete", &claim, "--wait=false"])?;
    cluster.kubectl(&["delete", "pod", victim])?;
    wait::until("the node has another id", REPLACED_WITHIN, async || {
        let now = cluster.field(&node, ".status.memberId")?;
        Ok(!now.is_empty() && now != before)
    })
    .await?;
    cluster.until_ready(3).await?;
    let installed = cluster.metric(victim, "kluster_snapshots_installed_total")?;
    ensure!(
        installed >= 1.0,
        "the empty disk was not filled by a snapshot"
    );

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

#[tokio::test(flavor = "multi_thread")]
async fn a_storage_class_that_does_not_exist_is_named_and_its_mend_is_taken() -> Result<()> {
    let (_turn, place) = turn().await;
    let cluster = Cluster::in_namespace(&place, "e2e-class")?;
    let storage = json!({"size": "1Gi", "storageClassName": "absent"});
    cluster.apply_with(3, &json!({ "storage": storage }))?;
    cluster
        .until("the class is named", |resource| {
            message(resource, "Degraded")
                .is_some_and(|told| told.contains("of storage class absent"))
        })
        .await?;
    // The class is fixed: what was made with the wrong one goes, volume claims too, which hold nothing yet.
    cluster.kubectl(&["delete", "clusters.kluster.dev", "data"])?;
    cluster.kubectl(&["delete", "pvc", "-l", "kluster.dev/cluster=data"])?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    cluster.clear()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_full_disk_refuses_writes_serves_reads_and_grows() -> Result<()> {
    let Some((_turn, place, _bed)) = fault_turn().await? else {
        return Ok(());
    };
    let cluster = Cluster::in_namespace(&place, "e2e-disk")?;
    cluster.apply(3)?;
    cluster.until_ready(3).await?;
    let writer = Writer::start(&cluster).await?;
    let pod = cluster.pods()?.first().context("a node")?.clone();
    let pods = cluster.of_pods(".metadata.uid")?;

    let (kept, refused) = fill(&cluster, &pod).await?;
    ensure!(
        refused.contains("disk"),
        "the reason is not told: {refused}"
    );
    let read = cluster.ask_node(&pod, &["get", "kept"])?;
    ensure!(
        read == kept,
        "read {read:?} from a full disk that had taken {kept:?}"
    );

    let limit = json!({"storage": {"autoGrow": {"limit": "2Gi"}}});
    has_room_after(&cluster, &pod, &limit, |size| size != "1Gi").await?;
    let larger = json!({"storage": {"size": "2Gi"}});
    has_room_after(&cluster, &pod, &larger, |size| size == "2Gi").await?;
    ensure!(
        cluster.of_pods(".metadata.uid")? == pods,
        "growing touched a pod"
    );
    writer.finish_interrupted(3).await?;
    cluster.clear()
}

/// Changes the spec, waits until the disks have room and `pod` takes writes again, and checks the size of every volume there is
/// or will be.
async fn has_room_after(
    cluster: &Cluster,
    pod: &str,
    change: &Value,
    is_right: impl Fn(&str) -> bool,
) -> Result<()> {
    cluster.change(change)?;
    cluster
        .until(
            "there is room again, and nothing is under way",
            |resource| {
                holds(resource, "StorageHealthy")
                    && reason(resource, "Progressing") == Some("Settled")
            },
        )
        .await?;
    cluster.until_ready(3).await?;
    cluster.ask_node(pod, &["put", "kept", "after it grew"])?;
    let template = ".items[*].spec.volumeClaimTemplates[0].spec.resources.requests.storage";
    for (what, path) in [
        ("pvc", ".items[*].status.capacity.storage"),
        ("statefulsets", template),
    ] {
        let sizes = cluster.field(what, path)?;
        let right = sizes.split(' ').filter(|size| is_right(size)).count();
        ensure!(right == 3, "{what} have {sizes} after {change}");
    }
    Ok(())
}

/// Writes large values until the operator reports that a disk is full and a write of the key `kept` is refused; gives its
/// last value that was taken, and the refusal.
async fn fill(cluster: &Cluster, pod: &str) -> Result<(String, String)> {
    let (mut kept, mut refused) = ("before it was full".to_owned(), None);
    cluster.ask_node(pod, &["put", "kept", &kept])?;
    let mut tries = 0;
    let start = ["exec", pod, "-c", "node", "--", "klusterctl", "bench"];
    let load = [
        "--http",
        "http://127.0.0.1:8080",
        "--dir",
        "/data",
        "--clients",
        "4",
    ];
    let values = ["--value-bytes", "1048576", "--seconds", "3"];
    let bench = [&start[..], &load, &values].concat();
    wait::until("the disks are full", FILLED_WITHIN, async || {
        // It fails once every write is refused.
        let _refused = cluster.kubectl(&bench);
        let told = reason(&cluster.resource()?, "StorageHealthy") == Some("DiskFull");
        // A log that is cut meanwhile makes room for a few more.
        tries += 1;
        let value = format!("try {tries}");
        refused = match cluster.ask_node(pod, &["put", "kept", &value]) {
            Ok(_) => {
                kept = value;
                None
            }
            Err(error) => Some(format!("{error:#}")),
        };
        Ok(told && refused.is_some())
    })
    .await?;
    Ok((kept, refused.context("a write was refused")?))
}
