//! A deleted Cluster leaves its volumes, and the same manifest finds its data again.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use bytes::Bytes;
use crds::{labels, names};
use kube::ResourceExt;
use node_api::{Consistency, WriteOptions};

use crate::bed::{Bed, manifest};

const KEY: &[u8] = b"kept/key";
const VALUE: Bytes = Bytes::from_static(b"kept \x00\xff value");

#[tokio::test]
async fn adopt_the_volumes_of_a_deleted_cluster() -> Result<()> {
    let bed = Bed::start("adopt").await?;
    bed.apply(&manifest("demo", 3)).await?;
    let before = bed.until_ready("demo", 3).await?;
    let names = bed.pod_names("demo").await?;
    bed.data("demo-a-0")?
        .put(KEY, VALUE, &WriteOptions::default())
        .await?;
    let members = members(&bed).await?;

    bed.delete("demo").await?;
    for name in &names {
        let claim = bed.claims.get(&names::volume_claim(name)).await?;
        let annotations = claim.annotations();
        assert!(claim.metadata.deletion_timestamp.is_none());
        assert_eq!(annotations.get(labels::MEMBER_ID), members.get(name));
        assert_eq!(
            annotations.get(labels::CLUSTER_ID),
            before.status.as_ref().and_then(|s| s.cluster_id.as_ref())
        );
    }

    bed.apply(&manifest("demo", 3)).await?;
    let after = bed.until_ready("demo", 3).await?;
    let id = |cluster: &crds::Cluster| cluster.status.clone().and_then(|s| s.cluster_id);
    assert_eq!(id(&after), id(&before), "the same cluster came back");
    assert_eq!(self::members(&bed).await?, members, "with the same members");
    for name in &names {
        let found = bed.data(name)?.get(KEY, &Consistency::Linearizable).await;
        let found = found.with_context(|| format!("failed to read through {name}"))?;
        assert_eq!(
            found.map(|found| found.value),
            Some(VALUE),
            "through {name}"
        );
    }
    for name in &names {
        bed.write_and_read(name, &names).await?;
    }
    bed.stop().await
}

/// The member id of each node.
async fn members(bed: &Bed) -> Result<BTreeMap<String, String>> {
    let nodes = bed.nodes_of("demo").await?;
    let ids = nodes.iter().map(|node| {
        let id = node.status.clone().and_then(|status| status.member_id);
        let name = node.name_any();
        id.map(|id| (name.clone(), id))
            .with_context(|| format!("{name} tells no member id"))
    });
    ids.collect()
}
