//! A roll whose pods Kubernetes will not have: it says so, goes no further, and a mend is taken at once.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, Result};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::api::events::v1::Event;
use kube::ResourceExt;
use kube::api::{Api, ListParams};
use serde_json::json;

use crate::bed::{Bed, Writer, check_all_readable, manifest};

/// A node that went has its grace period.
const SOON: Duration = Duration::from_secs(60);

/// UIDs of the nodes' pods, by name.
async fn uids(bed: &Bed) -> Result<BTreeMap<String, Option<String>>> {
    let ours = ListParams::default().labels("kluster.dev/cluster=demo");
    let pods = bed.pods.list(&ours).await?.items;
    Ok(pods.iter().map(|pod| (pod.name_any(), pod.uid())).collect())
}

/// The pod that the Event of this reason is about.
async fn related(bed: &Bed, reason: &str) -> Result<Option<ObjectReference>> {
    let events = Api::<Event>::namespaced(bed.client.clone(), &bed.namespace);
    let about = ListParams::default().fields(&format!("reason={reason}"));
    let events = events.list(&about).await?.items;
    Ok(events.into_iter().find_map(|event| event.related))
}

#[tokio::test]
async fn a_roll_whose_pods_are_refused_says_why_and_takes_one_follower_alone() -> Result<()> {
    let bed = Bed::start("refused-pod").await?;
    let good = manifest("demo", 3);
    bed.apply(&good).await?;
    let cluster = bed.until_ready("demo", 3).await?;
    let leader = cluster.status.and_then(|s| s.log?.leader);
    let leader = leader.context("a ready cluster has a leader")?;
    let before = uids(&bed).await?;
    let writer = Writer::start(bed.data(&leader)?);

    let mut bad = good.clone();
    bad["spec"]["scheduling"] = json!({ "priorityClassName": "absent" });
    bed.apply(&bad).await?;
    bed.until("the roll says why it is blocked", SOON, async || {
        let status = bed.clusters.get("demo").await?.status.unwrap_or_default();
        let progressing = status
            .conditions
            .iter()
            .find(|told| told.type_ == "Progressing");
        Ok(progressing.is_some_and(|told| {
            told.reason == "RollBlocked"
                && told.message.contains("spec.scheduling")
                && told.message.contains("no PriorityClass with name absent")
        }))
    })
    .await?;
    let left = uids(&bed).await?;
    assert_eq!(left.len(), 2, "{left:?}");
    assert!(left.contains_key(&leader), "{left:?}");
    assert!(left.iter().all(|(name, uid)| before.get(name) == Some(uid)));
    let gone = before.iter().find(|(name, _)| !left.contains_key(*name));
    let (name, uid) = gone.context("one of three is gone")?;
    bed.until("an Event is about the pod that went", SOON, async || {
        let about = related(&bed, "Restart").await?;
        Ok(about.is_some_and(|pod| pod.name.as_ref() == Some(name) && pod.uid == *uid))
    })
    .await?;
    let acknowledged = writer.acknowledged();
    bed.until("writes go on", SOON, async || {
        Ok(writer.acknowledged() > acknowledged + 20)
    })
    .await?;

    bed.apply(&good).await?;
    bed.until_ready("demo", 3).await?;
    let after = uids(&bed).await?;
    assert!(left.iter().all(|(name, uid)| after.get(name) == Some(uid)));
    let outcome = writer.finish().await?;
    for name in after.keys() {
        check_all_readable(name, bed.data(name)?, &outcome.acknowledged).await?;
    }
    bed.stop().await
}
