//! Whole clusters on virtual time.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says with a panic that a promise was broken"
)]

mod campaign;
mod commits;
mod etcd;
mod found;
mod leases;
mod levels;

use std::time::Duration;

use node_sim::{Workload, World};

#[test]
fn a_founder_that_crashes_between_the_cluster_and_its_first_entry_goes_on() {
    let mut between = 0;
    for seed in 0..8 {
        let mut world = World::new(seed, 1);
        let half_a_minute = Duration::from_secs(30);
        world.start(0);
        world.until(half_a_minute, "the node has started", |world| {
            world.node(0).is_some()
        });
        let (node, id) = (world.node(0).unwrap(), world.id(0).unwrap());
        world.spawn(0, async move {
            // The crash may come first.
            node.bootstrap(id, 1).await.ok();
        });
        let has_cluster = |world: &World| {
            let status = world.status(0);
            status.is_some_and(|status| status.log.cluster.is_some())
        };
        world.until(half_a_minute, "the cluster id is on disk", has_cluster);
        let founded = world.status(0).unwrap();
        between += u64::from(founded.intended_voters.is_none());
        world.crash(0);
        world.start(0);
        world.until(half_a_minute, "the cluster takes writes", |world| {
            world.status(0).is_some_and(|status| status.open)
        });
        let status = world.status(0).unwrap();
        assert_eq!(status.log.cluster, founded.log.cluster, "seed {seed}");
        assert_eq!(status.intended_voters, Some(1), "seed {seed}");
    }
    assert!(between > 0, "no crash came before the first entry");
}

/// One is cut off and begins anew, while the two others go on without it; then they meet.
fn two_histories(seed: u64) -> Vec<String> {
    let mut world = World::formed(seed, 3);
    let write = |world: &mut World, workload: &Workload, numbers: std::ops::Range<u64>| {
        for number in numbers {
            workload.write(world, number);
            world.live(Duration::from_millis(20));
        }
    };
    let (both, after) = (Workload::default(), Workload::default());
    write(&mut world, &both, 0..40);
    let alike = |world: &World| (1..3).all(|n| both.missing(world, n).is_empty());
    world.until(Duration::from_secs(10), "all have it", |world| {
        alike(world) && both.missing(world, 0).is_empty()
    });
    world.isolate(0);
    let lost = |world: &World| world.status(0).is_some_and(|s| s.log.leaderless);
    world.until(Duration::from_secs(20), "it hears of nobody", lost);
    // Acknowledged by the two others alone: this is what the recovery gives up.
    write(&mut world, &Workload::default(), 1000..1040);
    world.recover(0);
    let open = |world: &World| world.status(0).is_some_and(|s| s.ready.is_ok());
    world.until(Duration::from_secs(20), "it takes writes alone", open);
    world.heal(0);
    let ended =
        |world: &World| (1..3).all(|n| world.status(n).is_some_and(|s| s.failure.is_some()));
    world.until(Duration::from_secs(30), "the others end", ended);
    for n in 1..3 {
        let status = world.status(n).unwrap();
        assert!(status.log.left_behind, "seed {seed}: {:?}", status.failure);
        assert_ne!(status.log.role, node_replication::Role::Leader);
    }
    // Together and at once, as whoever keeps them running starts them; a crash before the mark was on disk needs one more.
    let new = |world: &World, n| world.status(n).is_some_and(|s| s.log.cluster.is_none());
    for _ in 0..5 {
        for n in (1..3).filter(|n| !new(&world, *n)).collect::<Vec<_>>() {
            world.crash(n);
            world.start(n);
        }
        world.live(Duration::from_secs(2));
    }
    assert!((1..3).all(|n| new(&world, n)), "seed {seed}: not set aside");
    for n in 1..3 {
        world.bring_in(0, n);
    }
    write(&mut world, &after, 2000..2040);
    world.until(Duration::from_secs(60), "all nodes are alike", |world| {
        let ends: Vec<_> = (0..3)
            .filter_map(|n| world.status(n))
            .map(|s| (s.log.incarnation, s.position, s.ready.is_ok()))
            .collect();
        ends.len() == 3
            && ends
                .iter()
                .all(|end| *end == ends[0] && end.0 == 1 && end.2)
    });
    assert!(!after.acknowledged().is_empty());
    for n in 0..3 {
        let missing = (both.missing(&world, n), after.missing(&world, n));
        assert_eq!(missing, Default::default(), "seed {seed}: n{n} lacks these");
    }
    world.trace().lines()
}

#[test]
fn of_two_histories_the_one_that_began_anew_goes_on() {
    let runs: Vec<_> = (200..203).map(two_histories).collect();
    assert_eq!(runs[0], two_histories(200), "one seed is one run");
}

/// The survivor loses its power again and again while it begins anew, and the others come back on their old disks.
#[test]
fn a_survivor_that_crashes_meanwhile_has_begun_anew_or_not_at_all() {
    let (mut before, mut after) = (0, 0);
    for seed in 300..316 {
        let mut world = World::formed(seed, 3);
        let workload = Workload::default();
        for number in 0..20 {
            workload.write(&world, number);
            world.live(Duration::from_millis(20));
        }
        world.until(Duration::from_secs(10), "n0 has it", |world| {
            workload.missing(world, 0).is_empty()
        });
        world.crash(1);
        world.crash(2);
        let lost = |world: &World| world.status(0).is_some_and(|s| s.log.leaderless);
        world.until(Duration::from_secs(20), "it hears of nobody", lost);
        world.begin_recovery(0);
        world.live(Duration::from_millis(1 + world.chance().below(60)));
        world.crash(0);
        (0..3).for_each(|n| world.start(n));
        world.until(Duration::from_secs(60), "it is decided", |world| {
            let status = |n: usize| world.status(n);
            let whole = (0..3).all(|n| status(n).is_some_and(|s| s.ready.is_ok()));
            let ended = (1..3).all(|n| status(n).is_some_and(|s| s.log.left_behind));
            whole || (ended && status(0).is_some_and(|s| s.ready.is_ok()))
        });
        let incarnation = world.status(0).unwrap().log.incarnation;
        let elected = (1..3).filter(|n| world.status(*n).unwrap().log.counters.elections > 0);
        match incarnation {
            0 => before += 1,
            _ => {
                after += 1;
                assert_eq!(elected.count(), 0, "seed {seed}: the old ones elected");
            }
        }
        assert!(workload.missing(&world, 0).is_empty(), "seed {seed}");
    }
    assert!(before > 0 && after > 0, "{before} before, {after} after");
}
