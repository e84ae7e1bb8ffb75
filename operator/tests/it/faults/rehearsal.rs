//! Every scene without a fault: what all others must come to.

use std::sync::Arc;

use anyhow::Result;
use tokio::sync::OnceCell;

use super::fault::Fault;
use super::life::{Life, Played};
use super::scenes::Scene;
use super::theatre::Theatre;

/// What every scene came to without a fault.
pub type Ends = Arc<Vec<Played>>;

static ENDS: OnceCell<Ends> = OnceCell::const_new();

/// Plays every scene without a fault, once for all tests.
pub async fn rehearsed(theatre: &Theatre) -> Result<Ends> {
    let ends = ENDS.get_or_try_init(|| rehearse(theatre)).await?;
    Ok(ends.clone())
}

async fn rehearse(theatre: &Theatre) -> Result<Ends> {
    let mut life = Life::begin(theatre, "rehearsal").await?;
    let mut ends = Vec::new();
    for scene in Scene::ALL {
        let played = life.play(scene, Fault::None, None).await?;
        println!("{scene:?}: {} writes without a fault", played.writes);
        ends.push(played);
    }
    life.end().await?;
    Ok(Arc::new(ends))
}
