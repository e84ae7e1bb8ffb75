//! The first attempt of every write is refused, or its answer is lost; every watch drops, expires, lags or repeats:
//! the end is the same.

use std::time::Duration;

use anyhow::Result;
use futures::StreamExt;

use super::fault::{Fault, Refusal, WatchFault};
use super::life::Life;
use super::rehearsal::{Ends, rehearsed};
use super::scenes::Scene;
use super::theatre::{AT_ONCE, Theatre};

const LAG: Duration = Duration::from_millis(300);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn refused_and_lost_writes_lead_to_the_same_end() -> Result<()> {
    let refusals = [
        ("conflict", Refusal::Conflict),
        ("too-many", Refusal::TooMany),
        ("internal", Refusal::Internal),
        ("lost", Refusal::Lost),
    ];
    play(refusals.map(|(name, refusal)| (name, Fault::Writes(refusal)))).await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn watches_that_misbehave_lead_to_the_same_end() -> Result<()> {
    let faults = [
        ("drop-1", WatchFault::Drop(1)),
        ("drop-4", WatchFault::Drop(4)),
        ("expire", WatchFault::Expire(3)),
        ("delay", WatchFault::Delay(LAG)),
        ("replay", WatchFault::Replay),
    ];
    play(faults.map(|(name, fault)| (name, Fault::Watches(fault)))).await
}

/// One life for each of the faults, some at a time.
async fn play<const N: usize>(faults: [(&'static str, Fault); N]) -> Result<()> {
    let theatre = Theatre::open().await?;
    let ends = rehearsed(&theatre).await?;
    let lives = faults.into_iter().map(|(name, fault)| {
        let (theatre, ends) = (theatre.clone(), ends.clone());
        tokio::spawn(async move { live(&theatre, &ends, name, fault).await })
    });
    let mut lives = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
    while let Some(life) = lives.next().await {
        life??;
    }
    Ok(())
}

async fn live(theatre: &Theatre, ends: &Ends, name: &str, fault: Fault) -> Result<()> {
    let mut life = Life::begin(theatre, name).await?;
    for (scene, wanted) in Scene::ALL.into_iter().zip(ends.iter()) {
        let played = life.play(scene, fault, Some(&wanted.end)).await?;
        println!("{scene:?}, {fault}: {} writes", played.writes);
    }
    life.end().await
}
