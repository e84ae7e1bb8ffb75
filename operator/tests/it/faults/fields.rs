//! Every field of the spec is changed and changed back, and the end equals the start. The list of fields is the
//! schema's: one without a case fails the test.

use std::collections::BTreeSet;

use anyhow::{Context, Result, bail, ensure};
use futures::StreamExt;
use kube::api::{Patch, PatchParams};
use serde_json::{Value, json};

use super::end::{self, differences};
use super::fault::Fault;
use super::life::{CLUSTER, Deadline, Life};
use super::scenes::{Scene, apply, is_at_rest, manifest};
use super::schema;
use super::theatre::{AT_ONCE, Theatre};

/// One change of the spec.
struct Case {
    /// The fields it changes.
    fields: &'static [&'static str],
    /// What is laid over the manifest.
    change: Value,
    /// What must come of it.
    outcome: Outcome,
}

/// What comes of a change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Outcome {
    /// Something besides the spec is another than before, and the change back undoes it.
    Shows,
    /// Nothing is another than before: it is for a day that has not come.
    Waits,
    /// The API server refuses it with these words.
    Refused(&'static str),
    /// It is done, and the API server refuses the way back with these words.
    Stays(&'static str),
    /// It shows in the status under this name, which remembers it after the way back.
    Remembered(&'static str),
}

fn case(fields: &'static [&'static str], outcome: Outcome, change: Value) -> Case {
    Case {
        fields,
        change,
        outcome,
    }
}

/// A case for each field.
#[allow(clippy::too_many_lines, reason = "a table of every field, a case each")]
fn cases() -> Vec<Case> {
    use Outcome::{Refused, Remembered, Shows, Stays, Waits};
    let fixed = "fixed when the Cluster is created";
    let key = crds::names::key_secret(CLUSTER);
    let spread =
        json!({ "maxSkew": 2, "topologyKey": "rack", "whenUnsatisfiable": "ScheduleAnyway" });
    let wanted_host = json!({ "nodeAffinity": { "requiredDuringSchedulingIgnoredDuringExecution": { "nodeSelectorTerms": [
        { "matchExpressions": [{ "key": "disk", "operator": "In", "values": ["fast"] }] }] } } });
    vec![
        case(&["image"], Shows, json!({ "image": "kluster:other" })),
        case(&["replicas"], Shows, json!({ "replicas": 2 })),
        case(
            &["zones[].name"],
            Refused(fixed),
            json!({ "zones": [{ "name": "a" }, { "name": "c" }] }),
        ),
        case(
            &["zones[].nodeSelector"],
            Refused(fixed),
            json!({ "zones": [{ "name": "a", "nodeSelector": { "zone": "a" } }, { "name": "b" }] }),
        ),
        case(
            &["zones[].storageClassName"],
            Refused(fixed),
            json!({ "zones": [{ "name": "a", "storageClassName": "played" }, { "name": "b" }] }),
        ),
        case(
            &["storage.size"],
            Stays("can only grow"),
            json!({ "storage": { "size": "2Gi" } }),
        ),
        // No disk has little room here.
        case(
            &["storage.autoGrow.limit", "storage.autoGrow.stepPercent"],
            Waits,
            json!({ "storage": { "autoGrow": { "limit": "8Gi", "stepPercent": 20 } } }),
        ),
        case(
            &["storage.storageClassName"],
            Refused(fixed),
            json!({ "storage": { "storageClassName": "played" } }),
        ),
        case(
            &["resources.requests"],
            Shows,
            json!({ "resources": { "requests": { "cpu": "10m" } } }),
        ),
        case(
            &["resources.limits"],
            Shows,
            json!({ "resources": { "limits": { "memory": "64Mi" } } }),
        ),
        case(
            &["scheduling.affinity"],
            Shows,
            json!({ "scheduling": { "affinity": wanted_host } }),
        ),
        case(
            &["scheduling.tolerations"],
            Shows,
            json!({ "scheduling": { "tolerations": [{ "operator": "Exists" }] } }),
        ),
        case(
            &["scheduling.priorityClassName"],
            Shows,
            json!({ "scheduling": { "priorityClassName": "played" } }),
        ),
        case(
            &["scheduling.topologySpreadConstraints"],
            Shows,
            json!({ "scheduling": { "topologySpreadConstraints": [spread] } }),
        ),
        case(
            &["podTemplate"],
            Shows,
            json!({ "podTemplate": { "metadata": { "annotations": { "mine": "yes" } } } }),
        ),
        case(
            &[
                "config.raft.heartbeatMs",
                "config.raft.electionMinMs",
                "config.raft.electionMaxMs",
            ],
            Shows,
            json!({ "config": { "raft": { "heartbeatMs": 50, "electionMinMs": 400, "electionMaxMs": 800 } } }),
        ),
        case(
            &["config.log.snapshotEveryEntries", "config.log.keepEntries"],
            Shows,
            json!({ "config": { "log": { "snapshotEveryEntries": 1000, "keepEntries": 100 } } }),
        ),
        case(
            &["engines.kv.quota"],
            Shows,
            json!({ "engines": { "kv": { "quota": "1Gi" } } }),
        ),
        case(
            &[
                "engines.kv.autoCompaction.mode",
                "engines.kv.autoCompaction.retention",
            ],
            Shows,
            json!({ "engines": { "kv": { "autoCompaction": { "mode": "Revision", "retention": "1000" } } } }),
        ),
        // The nodes are played: any Secret that exists will do.
        case(
            &[
                "engines.kv.tls.secretName",
                "engines.kv.tls.clientCertificates",
            ],
            Shows,
            json!({ "engines": { "kv": { "tls": { "secretName": key, "clientCertificates": "Required" } } } }),
        ),
        case(
            &["engines.kv.auth.secretName", "engines.kv.auth.tokens"],
            Shows,
            json!({ "engines": { "kv": { "auth": { "secretName": key, "tokens": "Jwt" } } } }),
        ),
        case(
            &["updates.restartedAt"],
            Shows,
            json!({ "updates": { "restartedAt": "2026-11-24T00:00:00Z" } }),
        ),
        case(
            &["operations.fencedNodes"],
            Shows,
            json!({ "operations": { "fencedNodes": ["demo-a-1"] } }),
        ),
        case(
            &[
                "operations.recoverFrom.memberId",
                "operations.recoverFrom.position",
                "operations.recoverFrom.acknowledgeLoss",
            ],
            Remembered("recovery"),
            json!({ "operations": { "recoverFrom": { "memberId": "0123456789abcdef", "position": "0.0.1", "acknowledgeLoss": true } } }),
        ),
        case(
            &["operations.paused"],
            Shows,
            json!({ "operations": { "paused": true } }),
        ),
        case(
            &["networkPolicy.enabled"],
            Shows,
            json!({ "networkPolicy": { "enabled": false } }),
        ),
        case(
            &["networkPolicy.allowFrom"],
            Shows,
            json!({ "networkPolicy": { "enabled": true, "allowFrom": [{ "podSelector": { "matchLabels": { "app": "mine" } } }] } }),
        ),
    ]
}

#[test]
fn every_field_of_the_schema_has_a_case() -> Result<()> {
    let known: BTreeSet<String> = schema::fields()?.into_iter().collect();
    let cases = cases();
    let cased: BTreeSet<String> = cases
        .iter()
        .flat_map(|case| case.fields)
        .map(|field| (*field).to_owned())
        .collect();
    ensure!(
        known == cased,
        "without a case: {:?}; without a field: {:?}",
        known.difference(&cased).collect::<Vec<_>>(),
        cased.difference(&known).collect::<Vec<_>>()
    );
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_changed_and_changed_back_is_as_it_was() -> Result<()> {
    let theatre = Theatre::open().await?;
    let mut shares: Vec<Vec<Case>> = (0..AT_ONCE).map(|_| Vec::new()).collect();
    for (index, case) in cases().into_iter().enumerate() {
        shares[index % AT_ONCE].push(case);
    }
    let lives = shares.into_iter().enumerate().map(|(index, cases)| {
        let theatre = theatre.clone();
        tokio::spawn(async move { live(&theatre, &format!("fields-{index}"), cases).await })
    });
    let mut lives = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
    while let Some(life) = lives.next().await {
        life??;
    }
    Ok(())
}

/// Changes one field after the other of a Cluster of its own.
async fn live(theatre: &Theatre, namespace: &str, cases: Vec<Case>) -> Result<()> {
    let mut life = Life::begin(theatre, namespace).await?;
    life.play(Scene::Create, Fault::None, None).await?;
    for case in cases {
        let done = change_and_back(&life, &case).await;
        if let Err(error) = done {
            bail!("{:?}: {error:#}\n{}", case.fields, life.describe().await);
        }
        println!("{:?}: {:?}", case.fields, case.outcome);
    }
    life.end().await
}

async fn change_and_back(life: &Life, case: &Case) -> Result<()> {
    let now = life.clusters.get(CLUSTER).await?;
    let mut before = manifest("1Gi");
    before["spec"]["storage"]["size"] = json!(now.spec.storage.size);
    let mut after = before.clone();
    overlay(&mut after["spec"], &case.change);
    let start = without_identities(end::of(life).await?);
    if let Outcome::Refused(words) = case.outcome {
        return refused(life, &after, words).await;
    }

    apply(life, &after).await?;
    let deadline = Deadline::start("the change is not done");
    while !is_at_rest(life).await? {
        deadline.wait().await?;
    }
    let changed = without_identities(end::of(life).await?);
    let shown = differences(&start, &changed);
    let spec = format!("/Cluster {CLUSTER}/spec");
    let shows = shown.iter().any(|path| !path.starts_with(&spec));
    ensure!(
        shows != (case.outcome == Outcome::Waits),
        "what it changed is {shown:?}"
    );

    if let Outcome::Stays(words) = case.outcome {
        return refused(life, &before, words).await;
    }
    let remembered = match case.outcome {
        Outcome::Remembered(name) => Some(format!("/Cluster {CLUSTER}/status/{name}")),
        _ => None,
    };
    let is_remembered = |path: &str| {
        let under = |part: &String| path.starts_with(part);
        remembered.as_ref().is_some_and(under)
    };
    ensure!(
        remembered.is_none() || shown.iter().any(|path| is_remembered(path)),
        "the status does not remember it"
    );
    apply(life, &before).await?;
    let deadline = Deadline::start("the start is not back");
    loop {
        // What a roll passes through may look like the start, and is not yet where the next case may begin.
        let rests = is_at_rest(life).await?;
        let mut left = differences(&start, &without_identities(end::of(life).await?));
        left.retain(|path| !is_remembered(path));
        if rests && left.is_empty() {
            return Ok(());
        }
        deadline
            .wait()
            .await
            .with_context(|| format!("{left:#?}"))?;
    }
}

async fn refused(life: &Life, manifest: &Value, words: &str) -> Result<()> {
    let forced = PatchParams::apply("kubectl").force();
    let answer = life
        .clusters
        .patch(CLUSTER, &forced, &Patch::Apply(manifest))
        .await;
    let said = answer.err().context("it was not refused")?.to_string();
    ensure!(said.contains(words), "{said}");
    Ok(())
}

/// A member that left never comes back: its node has another one, and the epochs of wishes only rise.
fn without_identities(mut end: Value) -> Value {
    forget(&mut end);
    end
}

fn forget(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| {
                !matches!(
                    key.as_str(),
                    "memberId" | "epoch" | crds::labels::MEMBER_ID | crds::labels::EPOCH
                )
            });
            fields.values_mut().for_each(forget);
        }
        Value::Array(items) => items.iter_mut().for_each(forget),
        _ => {}
    }
}

fn overlay(into: &mut Value, change: &Value) {
    match (into, change) {
        (Value::Object(into), Value::Object(change)) => {
            for (key, value) in change {
                overlay(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, change) => *into = change.clone(),
    }
}
