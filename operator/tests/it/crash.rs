//! Crashes in the middle of a change: the operators die, the leader dies, and the change is finished all the same.

use std::time::Duration;

use anyhow::{Context, Result};
use kube::ResourceExt;
use kube::api::ListParams;

use crate::bed::{Bed, Writer, check_all_readable, manifest};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn crash_of_operators_and_leader_in_the_middle_of_scaling() -> Result<()> {
    let bed = Bed::start("crash").await?;
    bed.apply(&manifest("demo", 3)).await?;
    let cluster = bed.until_ready("demo", 3).await?;
    let leader = cluster.status.and_then(|s| s.log?.leader);
    let leader = leader.context("a ready cluster has a leader")?;
    let names = bed.pod_names("demo").await?;
    let other = names.iter().find(|name| **name != leader);
    let writer = Writer::start(bed.data(other.context("there are three nodes")?)?);

    bed.scale("demo", 5).await?;
    bed.until("a further node runs", SOON, async || {
        let fresh = ["demo-a-1", "demo-b-1"];
        Ok(fresh
            .iter()
            .any(|name| bed.kubelet.process_id(name).is_some()))
    })
    .await?;
    let selected = ListParams::default().labels("app.kubernetes.io/name=kluster-operator");
    for operator in bed.pods.list(&selected).await? {
        bed.kubelet.kill_pod(&operator.name_any())?;
    }
    bed.kubelet.kill_pod(&leader)?;
    let before = writer.acknowledged();
    bed.until("writes are taken again", SOON, async || {
        Ok(writer.acknowledged() > before + 20)
    })
    .await?;

    // A newer wish interrupts the one that is under way.
    bed.scale("demo", 3).await?;
    bed.until_ready("demo", 3).await?;
    bed.until("the pods are gone", SOON, async || {
        Ok(bed.pod_names("demo").await? == names)
    })
    .await?;
    let outcome = writer.finish().await?;
    assert!(outcome.acknowledged.len() > 20);
    for name in &names {
        check_all_readable(name, bed.data(name)?, &outcome.acknowledged).await?;
    }
    bed.stop().await
}
