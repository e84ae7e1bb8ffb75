//! A manifest becomes a replicated cluster, exactly once.

use std::collections::BTreeSet;

use anyhow::Result;
use crds::{ClusterNodeStatus, Role};
use kube::ResourceExt;

use crate::bed::{Bed, is_true, manifest};

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
    bed.apply(&manifest("demo", 3)).await?;
    let cluster = bed.until_ready("demo", 3).await?;

    let names = bed.pod_names("demo").await?;
    assert_eq!(names, ["demo-a-0", "demo-b-0", "demo-c-0"]);
    for (name, zone) in names.iter().zip(["a", "b", "c"]) {
        let node = bed.pods.get(name).await?.spec.and_then(|s| s.node_name);
        assert_eq!(node, Some(format!("create-{zone}")), "where {name} is");
    }
    let status = cluster.status.clone().unwrap_or_default();
    for condition in CONDITIONS {
        let mut found = status.conditions.iter().filter(|c| c.type_ == *condition);
        let found = found.next().unwrap_or_else(|| panic!("no {condition}"));
        assert_eq!(found.observed_generation, cluster.metadata.generation);
    }
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
    bed.stop().await
}
