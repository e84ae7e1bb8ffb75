//! What a run follows from.

use node_host::Flaw;

use super::run::{Broken, run};
use super::schedule::Schedule;

/// Runs seeds from `from` on, of nodes that make a mistake, until a promise is broken; gives how many it took, if not more
/// than `seeds_max`, and which promise.
pub fn hunt(flaw: Flaw, from: u64, seeds_max: u64) -> Option<(u64, Broken)> {
    (0..seeds_max).find_map(|tried| {
        let verdict = run(&Case::of(from + tried, Some(flaw))).verdict;
        Some((tried + 1, verdict.err()?))
    })
}

/// One run: everything in it follows from this.
#[derive(Clone, Debug)]
pub struct Case {
    /// Where all chance comes from.
    pub seed: u64,
    /// What goes wrong, and when.
    pub schedule: Schedule,
    /// A mistake that the nodes make.
    pub flaw: Option<Flaw>,
}

impl Case {
    /// The run of a seed.
    pub fn of(seed: u64, flaw: Option<Flaw>) -> Case {
        Case {
            seed,
            schedule: Schedule::draw(seed),
            flaw,
        }
    }
}
