//! Operators come and go, the API server too: of two operators one writes, and none is ever started again for that.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use e2e::control_plane::ControlPlane;
use e2e::wait;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Service;
use kube::api::{Api, Patch, PatchParams};
use serde_json::json;

use super::director::{Director, Fate, Held, Write};
use super::fault::Fault;
use super::life::{Life, WITHIN, config};
use super::scenes::Scene;
use super::supervisor::Supervised;
use super::theatre::{House, Theatre, furnish_for_all, options};
use crate::bed::OPERATOR;

/// Short, so that a lost lease is soon another's.
const TTL: Duration = Duration::from_secs(3);
const FIRST: &str = "operator/0";
const SECOND: &str = "second/0";
/// How often the lease changes hands in the long test.
const ROUNDS: usize = 4;
/// Longer than a lease lasts, and than the first several delays of a client that asks again.
const OUTAGE: Duration = Duration::from_secs(10);

/// A life whose operator has a short lease, with the Cluster made.
async fn begin(namespace: &str) -> Result<(Theatre, Life)> {
    let theatre = Theatre::open().await?;
    let mut life = Life::begin_with(&theatre, namespace, TTL).await?;
    life.play(Scene::Create, Fault::None, None).await?;
    Ok((theatre, life))
}

async fn second(theatre: &Theatre, life: &Life) -> Result<Supervised> {
    let access = theatre
        .control_plane
        .config_as(&life.namespace, OPERATOR)
        .await?;
    let config = config(&life.namespace, "second", TTL);
    Ok(Supervised::start(access, config, life.director.clone()))
}

/// Changes an object of the operator's, which it puts back as soon as it may.
async fn disturb(life: &Life) -> Result<()> {
    let services = Api::<Service>::namespaced(life.client.clone(), &life.namespace);
    let patch = json!({ "spec": { "selector": { "kluster.dev/cluster": "stolen" } } });
    services
        .patch("demo-client", &PatchParams::default(), &Patch::Merge(patch))
        .await?;
    Ok(())
}

/// Writes of a process, Leases apart, that came as far as `far` says.
fn count(director: &Director, process: &str, far: impl Fn(&Write) -> bool) -> usize {
    let writes = director.writes();
    writes
        .iter()
        .filter(|write| write.process == process && !write.is_of_lease() && far(write))
        .count()
}

async fn until(what: &str, holds: impl AsyncFnMut() -> Result<bool>) -> Result<()> {
    wait::until(what, WITHIN, holds).await
}

async fn holder(life: &Life) -> Result<String> {
    let leases = Api::<Lease>::namespaced(life.client.clone(), &life.namespace);
    let lease = leases.get(OPERATOR).await?;
    let holder = lease.spec.and_then(|spec| spec.holder_identity);
    Ok(holder.unwrap_or_default())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_lease_ends_every_write_and_the_process_stands_by() -> Result<()> {
    let (theatre, life) = begin("lease-cut-off").await?;
    let second = second(&theatre, &life).await?;
    let director = life.director.clone();
    let asked = |write: &Write| write.fate == Fate::Asked;
    let done = |write: &Write| write.answered.is_some();

    // A write waits on the wire when the lease is lost: it must never arrive.
    director.hold(Some(Held::Writes(FIRST.to_owned())));
    disturb(&life).await?;
    until("the first wants to write", async || {
        Ok(count(&director, FIRST, asked) > 0)
    })
    .await?;
    director.hold(Some(Held::Everything(FIRST.to_owned())));
    let before = count(&director, FIRST, done);
    until("the second leads and puts it back", async || {
        Ok(count(&director, SECOND, done) > 0)
    })
    .await?;
    assert_eq!(count(&director, FIRST, asked), 0, "a write still waits");
    assert!(count(&director, FIRST, |write| write.fate == Fate::Dropped) > 0);

    // It hears again, and stands by: the next change is the second's to put back.
    director.hold(None);
    let looked = count(&director, SECOND, done);
    disturb(&life).await?;
    until("the second puts it back again", async || {
        Ok(count(&director, SECOND, done) > looked)
    })
    .await?;
    assert_eq!(count(&director, FIRST, done), before, "a standby writes");
    assert_eq!(holder(&life).await?, "second");

    // A graceful stop gives the lease back, and the same process leads once more.
    second.stop().await?;
    let stopped = Instant::now();
    until("the first leads again", async || {
        Ok(holder(&life).await? == "operator")
    })
    .await?;
    println!(
        "led {} ms after a graceful stop",
        stopped.elapsed().as_millis()
    );
    disturb(&life).await?;
    until("the first puts it back", async || {
        Ok(count(&director, FIRST, done) > before)
    })
    .await?;
    one_at_a_time(&director.writes())?;
    life.end().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_operators_never_both_write() -> Result<()> {
    let (theatre, life) = begin("lease-to-and-fro").await?;
    let second = second(&theatre, &life).await?;
    let director = life.director.clone();
    let done = |write: &Write| write.answered.is_some();
    let mut processes = [FIRST, SECOND];
    for round in 0..ROUNDS {
        let [leads, follows] = processes;
        disturb(&life).await?;
        director.hold(Some(Held::Everything(leads.to_owned())));
        let before = count(&director, follows, done);
        until("the other one writes", async || {
            disturb(&life).await?;
            Ok(count(&director, follows, done) > before)
        })
        .await
        .with_context(|| format!("round {round}"))?;
        director.hold(None);
        processes.reverse();
    }
    one_at_a_time(&director.writes())?;
    second.stop().await?;
    life.end().await
}

/// When a write is sent, the last lease that was taken or renewed is its sender's.
fn one_at_a_time(writes: &[Write]) -> Result<()> {
    let leases: Vec<(u64, &str)> = writes
        .iter()
        .filter(|write| write.is_of_lease() && matches!(write.fate, Fate::Answered(200 | 201)))
        .filter_map(|write| Some((write.answered?, write.process.as_str())))
        .collect();
    let mut judged = 0;
    for write in writes.iter().filter(|write| !write.is_of_lease()) {
        let Some(sent) = write.sent else { continue };
        let holder = leases
            .iter()
            .filter(|(answered, _)| *answered < sent)
            .max_by_key(|(answered, _)| *answered);
        let holder = holder.map(|(_, process)| *process);
        ensure!(
            holder == Some(write.process.as_str()),
            "{holder:?} has the lease when another writes: {write:?}"
        );
        judged += 1;
    }
    ensure!(judged > 0, "nobody wrote anything");
    Ok(())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_outage_of_the_api_server_is_ridden_out() -> Result<()> {
    let mut control_plane = ControlPlane::start(options()).await?;
    furnish_for_all(&control_plane.client().await?).await?;
    let house = House::of(&control_plane).await?;
    let mut life = Life::begin_in(&house, &control_plane, "outage", TTL).await?;
    life.play(Scene::Create, Fault::None, None).await?;
    let before = life.director.writes().len();

    control_plane.stop_api_server();
    // The time without a server is what this is about.
    tokio::time::sleep(OUTAGE).await;
    life.check()?;
    control_plane.start_api_server().await?;

    let played = life.play(Scene::ScaleUp, Fault::None, None).await?;
    ensure!(played.writes > 0 && played.cuts == 0);
    let writes = life.director.writes();
    let others = writes.iter().find(|write| write.process != FIRST);
    ensure!(others.is_none(), "another process wrote: {others:?}");
    let leases = writes
        .iter()
        .skip(before)
        .filter(|write| write.is_of_lease());
    ensure!(leases.count() > 0, "the lease was not taken again");
    life.end().await
}
