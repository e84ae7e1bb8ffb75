//! A manifest becomes a replicated cluster, exactly once.

use std::collections::BTreeSet;
use std::time::Duration;

use anyhow::{Result, bail};
use crds::{Cluster, ClusterNodeStatus, Role};
use futures::{Stream, StreamExt};
use kube::ResourceExt;
use kube::api::{WatchEvent, WatchParams};
use tokio::time::timeout;

use crate::bed::{Bed, is_true, manifest};

const SOON: Duration = Duration::from_secs(60);
const CONDITIONS: &[&str] = &[
    "Ready",
    "Available",
    "Progressing",
    "Degraded",
    "SpecValid",
    "QuorumHealthy",
    "StorageHealthy",
    "ZonesSatisfied",
    "UpToDate",
    "ReconciliationPaused",
];

#[tokio::test]
async fn create_three_nodes_in_three_zones() -> Result<()> {
    let bed = Bed::start("create").await?;
    let named = WatchParams::default().fields("metadata.name=demo");
    let changes = bed.clusters.watch(&named, "0").await?.boxed();
    bed.apply(&manifest("demo", 3)).await?;
    let first = timeout(SOON, first_status(changes)).await??;
    expect_all_conditions(&first);
    let cluster = bed.until_ready("demo", 3).await?;

    let names = bed.pod_names("demo").await?;
    assert_eq!(names, ["demo-a-0", "demo-b-0", "demo-c-0"]);
    for (name, zone) in names.iter().zip(["a", "b", "c"]) {
        let node = bed.pods.get(name).await?.spec.and_then(|s| s.node_name);
        assert_eq!(node, Some(format!("create-{zone}")), "where {name} is");
    }
    let status = cluster.status.clone().unwrap_or_default();
    expect_all_conditions(&cluster);
    for good in [
        "Available",
        "SpecValid",
        "QuorumHealthy",
        "ZonesSatisfied",
        "UpToDate",
    ] {
        assert!(is_true(&cluster, good), "{good}: {:?}", status.conditions);
    }

    // Every node tells the same story.
    let nodes = bed.nodes_of("demo").await?;
    let told: Vec<ClusterNodeStatus> = nodes.iter().filter_map(|n| n.status.clone()).collect();
    assert_eq!(told.len(), 3);
    let ids: BTreeSet<_> = told.iter().map(|s| s.cluster_id.clone()).collect();
    assert_eq!(ids, BTreeSet::from([status.cluster_id.clone()]));
    assert!(status.cluster_id.is_some());
    let leaders = nodes.iter().filter(|n| {
        let status = n.status.as_ref();
        status.is_some_and(|s| s.role == Some(Role::Leader))
    });
    let leaders: Vec<_> = leaders.map(ResourceExt::name_any).collect();
    assert_eq!(leaders.len(), 1);
    assert_eq!(
        status.log.and_then(|log| log.leader),
        leaders.first().cloned()
    );

    // Any node takes a write, and every node shows it.
    for name in &names {
        bed.write_and_read(name, &names).await?;
    }
    let told = bed.event_reasons("demo").await?;
    assert!(told.contains("Bootstrap"), "{told:?}");
    bed.stop().await
}

/// The Cluster as it was when it first had a status.
async fn first_status(
    mut changes: impl Stream<Item = kube::Result<WatchEvent<Cluster>>> + Unpin,
) -> Result<Cluster> {
    while let Some(change) = changes.next().await {
        if let WatchEvent::Added(cluster) | WatchEvent::Modified(cluster) = change?
            && cluster.status.is_some()
        {
            return Ok(cluster);
        }
    }
    bail!("the watch ended before there was a status")
}

fn expect_all_conditions(cluster: &Cluster) {
    let conditions = cluster.status.iter().flat_map(|status| &status.conditions);
    let told: Vec<_> = conditions.collect();
    let types: Vec<_> = told.iter().map(|told| told.type_.as_str()).collect();
    assert_eq!(types, CONDITIONS);
    for condition in told {
        assert_eq!(
            condition.observed_generation, cluster.metadata.generation,
            "{}",
            condition.type_
        );
    }
}
