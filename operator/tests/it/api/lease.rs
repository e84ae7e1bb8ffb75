//! Of several operators one acts: held against a real API server.

use std::time::Duration;

use anyhow::Result;
use e2e::wait;
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{Api, Patch, PatchParams};
use operator::config::LeaseConfig;
use operator::lease::{Elector, Role};
use serde_json::json;

use super::stage::{Stage, WITHIN, condition, manifest};
use crate::bed::OPERATOR;

fn config(namespace: &str, seconds: u64) -> LeaseConfig {
    LeaseConfig::lasting(Duration::from_secs(seconds), namespace, "tested")
}

#[tokio::test]
async fn one_holds_the_lease_and_a_released_one_is_taken_at_once() -> Result<()> {
    let stage = Stage::set("lease").await?;
    let mut first = Elector::new(stage.client.clone(), &config("lease", 600), "first");
    let mut second = Elector::new(stage.client.clone(), &config("lease", 600), "second");
    assert!(!first.fence().holds());
    first.acquire().await;
    assert!(first.fence().holds());
    assert_eq!(second.round().await?, Role::Standby);
    first.release().await?;
    assert!(!first.fence().holds());
    assert_eq!(second.round().await?, Role::Leader);
    assert_eq!(first.round().await?, Role::Standby);
    Ok(())
}

#[tokio::test]
async fn a_lease_that_nobody_renews_is_taken_by_own_time_and_a_taken_one_closes_the_fence()
-> Result<()> {
    let stage = Stage::set("lease-lost").await?;
    let settings = config("lease-lost", 3);
    let mut first = Elector::new(stage.client.clone(), &settings, "first");
    let mut second = Elector::new(stage.client.clone(), &settings, "second");
    first.acquire().await;
    let fence = first.fence();
    // A wall clock that says "long ago" impresses nobody: the second has only just seen the lease.
    let leases = Api::<Lease>::namespaced(stage.client.clone(), "lease-lost");
    let old = json!({ "spec": { "renewTime": "2020-01-01T00:00:00.000000Z" } });
    leases
        .patch("tested", &PatchParams::default(), &Patch::Merge(old))
        .await?;
    assert_eq!(second.round().await?, Role::Standby);
    // Unrenewed, the fence closes before the second may begin.
    second.acquire().await;
    assert!(!fence.holds(), "two could write");
    first.keep().await;
    assert!(!fence.holds());
    Ok(())
}

#[tokio::test]
async fn a_standby_takes_over_from_an_operator_that_stops() -> Result<()> {
    let stage = Stage::set("takeover").await?;
    let leases = Api::<Lease>::namespaced(stage.client.clone(), "takeover");
    let holder = async || -> Result<Option<String>> {
        Ok(leases
            .get_opt(OPERATOR)
            .await?
            .and_then(|lease| lease.spec?.holder_identity))
    };
    let first = stage.operator("first").await?;
    wait::until("the first leads", WITHIN, async || {
        Ok(holder().await? == Some("first".into()))
    })
    .await?;
    let second = stage.operator("second").await?;
    first.stop().await?;
    wait::until("the second leads", WITHIN, async || {
        Ok(holder().await? == Some("second".into()))
    })
    .await?;
    stage.apply(&manifest("demo", 1)).await?;
    wait::until("the second acts", WITHIN, async || {
        Ok(!condition(&stage.clusters.get("demo").await?, "Ready").is_empty())
    })
    .await?;
    second.stop().await
}
