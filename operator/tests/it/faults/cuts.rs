//! The operator dies after every single write, and the end is the one of an operator that never died.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, Result, ensure};
use futures::StreamExt;
use serde_json::Value;

use super::fault::Fault;
use super::life::Life;
use super::rehearsal::{Ends, rehearsed};
use super::scenes::Scene;
use super::theatre::{AT_ONCE, Theatre};

/// A life may take a few more writes than the one that was counted: these are cut too.
const MARGIN: usize = 3;
/// A life that was over before the write of its number was cut at none: its number is tried again so often in all.
const ROUNDS: usize = 3;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cut_after_any_write_leads_to_the_same_end() -> Result<()> {
    let theatre = Theatre::open().await?;
    let mark = theatre.control_plane.audit().mark()?;
    let ends = rehearsed(&theatre).await?;
    let most = ends
        .iter()
        .map(|played| played.writes)
        .max()
        .unwrap_or_default();
    // Of each scene, how many processes died at the write of each number that was cut.
    let mut cuts = vec![BTreeMap::new(); Scene::ALL.len()];
    let mut numbers: Vec<usize> = (1..=most + MARGIN).collect();
    for round in 0..ROUNDS {
        let lives = numbers.into_iter().map(|write| {
            let (theatre, ends) = (theatre.clone(), ends.clone());
            let namespace = format!("cut-{round}-{write}");
            tokio::spawn(async move { cut(&theatre, &ends, &namespace, write).await })
        });
        let mut lives = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
        while let Some(life) = lives.next().await {
            let (write, died) = life??;
            for (cuts, died) in cuts.iter_mut().zip(died).filter(|(_, died)| *died > 0) {
                cuts.insert(write, died);
            }
        }
        let missing = cuts.iter().zip(ends.iter());
        let missing = missing.flat_map(|(cuts, played)| missing_of(cuts, played.writes));
        numbers = missing.collect::<BTreeSet<usize>>().into_iter().collect();
    }
    for ((scene, played), cuts) in Scene::ALL.iter().zip(ends.iter()).zip(&cuts) {
        let (all, died) = (played.writes, cuts.values().sum::<usize>());
        e2e::tell(format_args!(
            "{scene:?}: cut after {} writes ({all} without a fault), {died} processes died",
            cuts.len()
        ));
        // How many writes it takes depends on which reports a pass sees: the one that was counted may have had more than most.
        let missing: Vec<usize> = missing_of(cuts, all).collect();
        ensure!(
            missing.len() <= 1 + all / 10,
            "{scene:?}: of {all} writes these were never cut: {missing:?}"
        );
    }
    let sum: usize = cuts.iter().map(BTreeMap::len).sum();
    let died: usize = cuts.iter().flat_map(BTreeMap::values).sum();
    e2e::tell(format_args!(
        "cut points: {sum} after a write, {} before one",
        died - sum
    ));
    let deleted = theatre
        .control_plane
        .audit()
        .writes_since(mark, |request| {
            request.verb.starts_with("delete") && request.resource == "persistentvolumeclaims"
        })?;
    ensure!(deleted.is_empty(), "volumes were deleted: {deleted:#?}");
    Ok(())
}

/// Numbers of writes of a scene that takes `all` of them at which nobody died yet.
fn missing_of(cuts: &BTreeMap<usize, usize>, all: usize) -> impl Iterator<Item = usize> {
    (1..=all).filter(|write| !cuts.contains_key(write))
}

/// One life whose operator dies at the write of this number in each scene that has so many; the number, and how many
/// processes died in each.
async fn cut(
    theatre: &Theatre,
    ends: &Ends,
    namespace: &str,
    write: usize,
) -> Result<(usize, Vec<usize>)> {
    let mut life = Life::begin(theatre, namespace).await?;
    let last = ends
        .iter()
        .rposition(|played| played.writes + MARGIN >= write);
    let last = last.context("no scene has so many writes")?;
    let mut cuts = vec![0; Scene::ALL.len()];
    for (index, scene) in Scene::ALL.into_iter().enumerate().take(last + 1) {
        let wanted: &Value = &ends[index].end;
        let played = life.play(scene, Fault::Cut(write), Some(wanted)).await?;
        ensure!(
            played.cuts > 0 || played.writes < write,
            "{scene:?}: the write {write} was not cut"
        );
        cuts[index] = played.cuts;
    }
    life.end().await?;
    Ok((write, cuts))
}
