//! Ends, sudden and in good order: the operators die in the middle of a change, and the leader too, and it is finished all
//! the same; an operator that is told to stop hands over first.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use kube::ResourceExt;
use kube::api::{Api, DeleteParams, ListParams};

use crate::bed::{Bed, OPERATOR, Writer, check_all_readable, manifest};

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

/// The chart's Lease lasts 15 s and is looked at every 5: one that nobody gave back is taken after 10 at the soonest.
const GIVEN_BACK_WITHIN: Duration = Duration::from_secs(8);

#[tokio::test]
async fn an_operator_that_is_told_to_stop_gives_its_lease_back() -> Result<()> {
    let bed = Bed::start("told-to-stop").await?;
    let leases = Api::<Lease>::namespaced(bed.client.clone(), &bed.namespace);
    let holder = async || {
        let lease = leases.get_opt(OPERATOR).await?;
        let holder = lease.and_then(|lease| lease.spec?.holder_identity);
        anyhow::Ok(holder.unwrap_or_default())
    };
    let mut first = String::new();
    bed.until("an operator leads", SOON, async || {
        first = holder().await?;
        Ok(!first.is_empty())
    })
    .await?;
    let told = Instant::now();
    bed.pods.delete(&first, &DeleteParams::default()).await?;
    bed.until("another leads", SOON, async || {
        let now = holder().await?;
        Ok(!now.is_empty() && now != first)
    })
    .await?;
    assert!(told.elapsed() < GIVEN_BACK_WITHIN, "{:?}", told.elapsed());
    bed.stop().await
}
