//! A cluster of real nodes at rest costs the operator no write, also after both operators died.

use std::time::Duration;

use anyhow::Result;
use e2e::control_plane::{Audit, Mark, Request};
use kube::ResourceExt;
use kube::api::{ListParams, Patch, PatchParams};
use serde_json::json;

use crate::bed::{Bed, control_plane, manifest};

const SOON: Duration = Duration::from_secs(60);

#[tokio::test]
async fn rest_costs_no_write_also_after_a_restart() -> Result<()> {
    let bed = Bed::start("rest").await?;
    let audit = control_plane().await?.audit();
    bed.apply(&manifest("demo", 3)).await?;
    bed.until_ready("demo", 3).await?;
    // What was still on its way has been looked at after two further passes.
    let settled = audit.mark()?;
    touch(&bed, "1").await?;
    until_looked(&bed, audit, settled, 1).await?;
    touch(&bed, "2").await?;
    until_looked(&bed, audit, settled, 2).await?;

    let rest = audit.mark()?;
    touch(&bed, "3").await?;
    until_looked(&bed, audit, rest, 1).await?;
    touch(&bed, "4").await?;
    until_looked(&bed, audit, rest, 2).await?;
    expect_no_write(&bed, audit, rest)?;

    let restart = audit.mark()?;
    for operator in operators(&bed).await? {
        bed.kubelet.kill_pod(&operator)?;
    }
    until_looked(&bed, audit, restart, 1).await?;
    touch(&bed, "5").await?;
    until_looked(&bed, audit, restart, 2).await?;
    expect_no_write(&bed, audit, restart)?;
    bed.stop().await
}

/// The pods of the operator.
async fn operators(bed: &Bed) -> Result<Vec<String>> {
    let selected = ListParams::default().labels("app.kubernetes.io/name=kluster-operator");
    let pods = bed.pods.list(&selected).await?;
    Ok(pods.iter().map(ResourceExt::name_any).collect())
}

/// Makes the operator look, without anything to do.
async fn touch(bed: &Bed, value: &str) -> Result<()> {
    let patch = Patch::Merge(json!({"metadata": {"annotations": {"touched": value}}}));
    bed.clusters
        .patch("demo", &PatchParams::default(), &patch)
        .await?;
    Ok(())
}

/// Waits until so many passes have begun since the mark: each lists the StatefulSets once, and begins only when the
/// one before has ended.
async fn until_looked(bed: &Bed, audit: &Audit, mark: Mark, passes: usize) -> Result<()> {
    bed.until("the operator has looked", SOON, async || {
        let requests = audit.requests_since(mark)?;
        let looks = requests.iter().filter(|request| {
            is_operator(bed, request)
                && request.verb == "list"
                && request.resource == "statefulsets"
        });
        Ok(looks.count() >= passes)
    })
    .await
}

fn is_operator(bed: &Bed, request: &Request) -> bool {
    request.user == format!("system:serviceaccount:{}:kluster-operator", bed.namespace)
}

fn expect_no_write(bed: &Bed, audit: &Audit, mark: Mark) -> Result<()> {
    let writes = audit.writes_since(mark, |request| {
        is_operator(bed, request) && !request.is_lease()
    })?;
    assert!(writes.is_empty(), "{writes:#?}");
    Ok(())
}
