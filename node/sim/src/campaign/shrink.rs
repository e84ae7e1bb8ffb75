//! The fewest events under which the same promise is broken: Zeller and Hildebrandt's delta debugging ("Simplifying and
//! isolating failure-inducing input", 2002), bounded in the runs it makes.

use super::run::{Broken, run};
use super::{Case, Schedule};

/// Leaves out events of `case`, which breaks `broken`, for as long as it still breaks the same promise; at most `runs` runs
/// are made. `tell` hears after each how many events are left.
pub fn shrink(case: &Case, broken: &Broken, runs: usize, mut tell: impl FnMut(usize)) -> Case {
    let mut kept = case.schedule.0.clone();
    let mut left = runs;
    let mut parts = 2;
    while kept.len() >= 2 && left > 0 {
        let size = kept.len().div_ceil(parts);
        let mut shrunk = None;
        for part in 0..parts {
            let (from, to) = (part * size, ((part + 1) * size).min(kept.len()));
            if from >= to || left == 0 {
                continue;
            }
            left -= 1;
            let mut fewer = kept.clone();
            fewer.drain(from..to);
            if still_breaks(case, &fewer, broken) {
                shrunk = Some(fewer);
                break;
            }
        }
        match shrunk {
            Some(fewer) => {
                kept = fewer;
                parts = (parts - 1).max(2);
                tell(kept.len());
            }
            None if parts >= kept.len() => break,
            None => parts = (2 * parts).min(kept.len()),
        }
    }
    Case {
        schedule: Schedule(kept),
        ..case.clone()
    }
}

fn still_breaks(case: &Case, events: &[super::Event], broken: &Broken) -> bool {
    let case = Case {
        schedule: Schedule(events.to_vec()),
        ..case.clone()
    };
    let verdict = run(&case).verdict;
    verdict.is_err_and(|now| now.promise == broken.promise)
}
