//! The operator dies after every single write, and the end is the one of an operator that never died.

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
    let lives = (1..=most + MARGIN).map(|write| {
        let (theatre, ends) = (theatre.clone(), ends.clone());
        tokio::spawn(async move { cut(&theatre, &ends, write).await })
    });
    let mut lives = futures::stream::iter(lives).buffer_unordered(AT_ONCE);
    let mut cuts = vec![(0, 0); Scene::ALL.len()];
    while let Some(life) = lives.next().await {
        for ((writes, processes), reached) in cuts.iter_mut().zip(life??) {
            *writes += usize::from(reached > 0);
            *processes += reached;
        }
    }
    for ((scene, played), (writes, processes)) in Scene::ALL.iter().zip(ends.iter()).zip(&cuts) {
        let all = played.writes;
        e2e::tell(format_args!(
            "{scene:?}: cut after {writes} writes ({all} without a fault), {processes} processes died"
        ));
        // How many writes it takes depends on which reports a pass sees: a life that was over before the write of its
        // number was cut at none. Were that the rule, this would say so.
        ensure!(
            writes * 2 > all || all == 0,
            "{scene:?}: only {writes} of {all} writes were cut"
        );
    }
    let sum: usize = cuts.iter().map(|(writes, _)| writes).sum();
    let died: usize = cuts.iter().map(|(_, processes)| processes).sum();
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

/// One life whose operator dies at the write of this number in each scene that has so many; how many processes died
/// in each.
async fn cut(theatre: &Theatre, ends: &Ends, write: usize) -> Result<Vec<usize>> {
    let mut life = Life::begin(theatre, &format!("cut-{write}")).await?;
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
    Ok(cuts)
}
