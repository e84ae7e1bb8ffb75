//! Whole clusters on virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says with a panic that a promise was broken"
)]

mod commits;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_sim::{Workload, World};

/// Crashes, cuts and writes for some seconds, then peace; returns the trace.
fn storm(seed: u64) -> Vec<String> {
    let mut world = World::formed(seed, 3);
    let (workload, lost) = (Workload::default(), Arc::new(Mutex::new(Vec::new())));
    for number in 0..400 {
        workload.write(&world, number);
        if number % 5 == 0 {
            workload.read(&world, &lost);
        }
        let span = 1 + world.chance().below(40);
        world.live(Duration::from_millis(span));
        let n = world.chance().below(3) as usize;
        match world.chance().below(40) {
            0 => world.crash(n),
            1 => world.isolate(n),
            2..=7 => world.start(n),
            8..=13 => world.heal(n),
            _ => {}
        }
    }
    for n in 0..world.size() {
        world.start(n);
        world.heal(n);
    }
    let all_alike = |world: &World| {
        let ends: Vec<_> = (0..3)
            .filter_map(|n| Some((world.status(n)?.digest, world.status(n)?.ready.is_ok())))
            .collect();
        ends.len() == 3 && ends.iter().all(|end| end.1 && end.0 == ends[0].0)
    };
    world.live(Duration::from_secs(6));
    world.until(Duration::from_secs(60), "all nodes are alike", all_alike);

    assert!(
        workload.acknowledged().len() > 50,
        "seed {seed}: only {} writes",
        workload.acknowledged().len()
    );
    for n in 0..3 {
        let missing = workload.missing(&world, n);
        let trace = || world.trace().lines().join("\n");
        assert!(
            missing.is_empty(),
            "seed {seed}: n{n} lacks acknowledged writes {missing:?}; the run:\n{}",
            trace()
        );
    }
    let lost = lost.lock().unwrap();
    assert!(
        lost.is_empty(),
        "seed {seed}: linearizable reads missed acknowledged writes: {lost:?}"
    );
    world.trace().lines()
}

#[test]
fn one_seed_twice_is_one_run() {
    for seed in 0..3 {
        let (first, second) = (storm(seed), storm(seed));
        let differ = first.iter().zip(&second).position(|(a, b)| a != b);
        if let Some(at) = differ {
            panic!(
                "seed {seed} differs at line {at}:\n{}\n{}",
                first[at], second[at]
            );
        }
        assert_eq!(first.len(), second.len(), "seed {seed}: one run is longer");
    }
}

#[test]
fn crashes_and_cuts_lose_nothing_that_was_acknowledged() {
    for seed in 100..116 {
        let trace = storm(seed);
        assert!(
            trace.iter().any(|line| line.contains("crashes")),
            "seed {seed} is blind: nothing crashed"
        );
    }
}

#[test]
fn another_seed_is_another_run() {
    assert_ne!(storm(1), storm(2));
}
