//! Campaigns: many seeds, everything that must hold, and proof that what must hold would be missed.

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use node_host::Flaw;
use node_sim::campaign::{Case, Coverage, Schedule, hunt, run};
use rand::{Rng, SeedableRng, rngs::SmallRng};

/// Seeds of every test run, always the same: a test that fails shows what was changed. New ones are for `make sim`.
const SEEDS: u64 = 200;
/// Seeds in which each planted mistake must be found.
const HUNTED: u64 = 400;
/// Threads: as many as the machine has cores at least.
const AT_ONCE: usize = 2;

/// Runs `work` for each of `items`, some at a time.
fn each<T: Sync>(items: &[T], work: impl Fn(&T) + Sync) {
    let next = AtomicU64::new(0);
    std::thread::scope(|scope| {
        for _ in 0..AT_ONCE {
            scope.spawn(|| {
                while let Some(item) = items.get(next.fetch_add(1, Ordering::Relaxed) as usize) {
                    work(item);
                }
            });
        }
    });
}

/// Chance that is another in every run of the tests; what it drew is told with every failure.
fn fresh() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    SmallRng::seed_from_u64(now.unwrap().as_nanos() as u64).next_u64() >> 32
}

#[test]
fn every_promise_is_kept_whatever_goes_wrong() {
    let seeds: Vec<u64> = (1..=SEEDS).collect();
    let sum = Mutex::new(Coverage::default());
    each(&seeds, |seed| {
        let run = run(&Case::of(*seed, None));
        if let Err(broken) = run.verdict {
            panic!(
                "{}: {}\nto see it: make sim ARGS=\"--seed {seed}\"; to shrink it: make sim SEEDS=1 ARGS=\"--from {seed}\"",
                broken.promise, broken.seen
            );
        }
        *sum.lock().unwrap() += run.coverage;
    });
    let sum = sum.into_inner().unwrap();
    println!("{sum:#?}");
    assert!(sum.blind_spots().is_empty(), "{:?}", sum.blind_spots());
    let each = sum.operations / seeds.len() as u64;
    assert!(each >= 500, "only {each} operations a seed");
}

#[test]
fn one_seed_is_one_run_to_the_letter() {
    for seed in 1..6 {
        let lines = || run(&Case::of(seed, None)).trace.lines();
        let (first, second) = (lines(), lines());
        let differ = first.iter().zip(&second).position(|(a, b)| a != b);
        assert_eq!(differ, None, "seed {seed} differs at line {differ:?}");
        assert_eq!(first.len(), second.len(), "seed {seed}: one run is longer");
        let other = run(&Case::of(seed + 100, None)).trace.lines();
        assert_ne!(first, other, "another seed is another run");
    }
}

#[test]
fn every_planted_mistake_is_found_by_new_seeds() {
    let found = Mutex::new(Vec::new());
    each(&Flaw::ALL, |flaw| {
        let from = fresh();
        match hunt(*flaw, from, HUNTED) {
            Some((seeds, broken)) => {
                println!("{flaw:?}: {seeds} seeds from {from} on: {}", broken.promise);
                found.lock().unwrap().push(seeds);
            }
            None => panic!("{flaw:?} is not found in {HUNTED} seeds from {from} on"),
        }
    });
    let mut found = found.into_inner().unwrap();
    found.sort_unstable();
    println!("median: {} seeds", found[found.len() / 2]);
}

#[test]
fn a_part_of_a_schedule_is_a_schedule() {
    let whole = Schedule::draw(7);
    assert_eq!(whole.only(&whole.numbers()), whole);
    let part = whole.only(&[1, 3]);
    assert_eq!(part.numbers(), [1, 3]);
    assert!(
        run(&Case {
            schedule: part,
            ..Case::of(7, None)
        })
        .verdict
        .is_ok()
    );
}
