//! `kubectl scale` changes the voters one by one, while writes go on.

use std::time::Duration;

use anyhow::{Context, Result};
use crds::{labels, names};
use kube::ResourceExt;

use crate::bed::{Bed, Writer, check_all_readable, manifest};

const SOON: Duration = Duration::from_secs(30);

#[tokio::test]
async fn scale_up_and_down_loses_no_acknowledged_write() -> Result<()> {
    let bed = Bed::start("scale").await?;
    bed.apply(&manifest("demo", 3)).await?;
    let before = bed.until_ready("demo", 3).await?;
    // This node stays through both changes.
    let writer = Writer::start(bed.data("demo-c-0")?);
    let writes_go_on = async |more: u64| {
        let then = writer.acknowledged();
        let wanted = || writer.acknowledged() >= then + more;
        bed.until("writes go on", SOON, async || Ok(wanted())).await
    };
    writes_go_on(50).await?;

    bed.scale("demo", 5).await?;
    let up = bed.until_ready("demo", 5).await?;
    let five = ["demo-a-0", "demo-a-1", "demo-b-0", "demo-b-1", "demo-c-0"];
    assert_eq!(bed.pod_names("demo").await?, five);
    assert_eq!(cluster_id(&up), cluster_id(&before));
    writes_go_on(50).await?;
    let five = five.map(str::to_owned);
    bed.write_and_read("demo-b-1", &five).await?;

    bed.scale("demo", 3).await?;
    let down = bed.until_ready("demo", 3).await?;
    let three = ["demo-a-0", "demo-b-0", "demo-c-0"].map(str::to_owned);
    bed.until("the pods are gone", SOON, async || {
        Ok(bed.pod_names("demo").await? == three)
    })
    .await?;
    assert_eq!(cluster_id(&down), cluster_id(&before));
    writes_go_on(50).await?;

    // The volumes of the nodes that left are kept and marked.
    for pod in ["demo-a-1", "demo-b-1"] {
        let claim = names::volume_claim(pod);
        bed.until("the claim is marked retired", SOON, async || {
            let claim = bed.claims.get(&claim).await?;
            Ok(claim.annotations().contains_key(labels::RETIRED))
        })
        .await?;
    }
    let told = bed.event_reasons("demo").await?;
    assert!(
        told.contains("Remove") && told.contains("Shrink"),
        "{told:?}"
    );
    let outcome = writer.finish().await?;
    assert!(outcome.acknowledged.len() >= 150);
    for name in &three {
        check_all_readable(name, bed.data(name)?, &outcome.acknowledged).await?;
    }
    bed.stop().await
}

fn cluster_id(cluster: &crds::Cluster) -> Option<String> {
    let status = cluster.status.as_ref();
    status.and_then(|status| status.cluster_id.clone())
}

#[tokio::test]
async fn scale_by_an_edit_of_the_spec() -> Result<()> {
    let bed = Bed::start("edit").await?;
    bed.apply(&manifest("demo", 1)).await?;
    bed.until_ready("demo", 1).await?;
    bed.apply(&manifest("demo", 3)).await?;
    bed.until_ready("demo", 3).await?;
    let names = bed.pod_names("demo").await?;
    let first = names.first().context("there are three pods")?;
    bed.write_and_read(first, &names).await?;
    bed.stop().await
}
