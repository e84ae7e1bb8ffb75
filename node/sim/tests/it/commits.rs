//! Whether writes commit: the leader knows, with nobody writing, and says so only when it changes.

use std::time::Duration;

use node_server::Canaries;
use node_sim::{Workload, World};

const fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

/// A cluster of three whose leader has found out that writes commit, and the place of the leader.
fn idle(seed: u64) -> (World, usize) {
    let mut world = World::formed(seed, 3);
    world.until(seconds(30), "writes commit", |world| {
        let leader = world.leader().and_then(|n| world.status(n));
        leader.is_some_and(|status| status.commits == Some(true))
    });
    let leader = world.leader().unwrap();
    (world, leader)
}

fn canaries(world: &World, n: usize) -> Canaries {
    world.status(n).unwrap().canaries
}

fn commits(world: &World, n: usize) -> Option<bool> {
    world.status(n).unwrap().commits
}

#[test]
fn an_idle_leader_makes_one_canary_in_ten_seconds_and_nobody_else_any() {
    let (mut world, leader) = idle(1);
    world.until(seconds(15), "the followers heard of one", |world| {
        (0..3).all(|n| commits(world, n) == Some(true))
    });
    let before = world.status(leader).unwrap();
    let mut said = Vec::new();
    for _ in 0..600 {
        world.live(Duration::from_millis(100));
        said.extend((0..3).map(|n| commits(&world, n)));
    }
    let after = world.status(leader).unwrap();
    let made = after.canaries.made - before.canaries.made;
    assert!((5..=6).contains(&made), "{made} in a minute");
    assert_eq!(after.canaries.failed, 0);
    assert!(said.iter().all(|said| *said == Some(true)), "{said:?}");
    assert_eq!(after.keys, before.keys, "a canary changes no data");
    for n in (0..3).filter(|n| *n != leader) {
        assert_eq!(canaries(&world, n), Canaries::default());
        assert_eq!(world.status(n).unwrap().digest, after.digest);
    }
}

#[test]
fn a_busy_leader_makes_none() {
    let (mut world, leader) = idle(2);
    let before = canaries(&world, leader);
    let workload = Workload::default();
    for number in 0..20 {
        workload.write(&world, number);
        world.live(seconds(3));
    }
    assert_eq!(workload.acknowledged().len(), 20);
    assert_eq!(canaries(&world, leader), before);
    assert_eq!(commits(&world, leader), Some(true));
}

#[test]
fn a_leader_whose_followers_are_gone_finds_out_within_fifteen_seconds() {
    for seed in 3..6 {
        let (mut world, leader) = idle(seed);
        let phase = world.chance().below(12_000);
        world.live(Duration::from_millis(phase));
        let followers = (0..3).filter(|n| *n != leader);
        for n in followers.clone() {
            world.crash(n);
        }
        let within = seconds(15) + Duration::from_millis(50);
        world.until(within, "writes do not commit", |world| {
            commits(world, leader) == Some(false)
        });
        // It stays so, however often it is tried.
        for _ in 0..40 {
            world.live(seconds(1));
            assert_eq!(commits(&world, leader), Some(false));
        }
        for n in followers {
            world.start(n);
        }
        world.until(seconds(15), "writes commit again", |world| {
            let leader = world.leader().and_then(|n| world.status(n));
            leader.is_some_and(|status| status.commits == Some(true))
        });
    }
}

#[test]
fn full_disks_are_found_out_and_so_is_their_end() {
    let (mut world, _) = idle(7);
    (0..3).for_each(|n| world.leave(n, 40 << 20));
    // Each leader gives way once; the last one has nobody to give way to that did not.
    world.live(seconds(30));
    let leader = world.leader().unwrap();
    assert_eq!(commits(&world, leader), Some(false));
    assert!(canaries(&world, leader).failed > 0, "refused, not late");
    assert!(world.status(leader).unwrap().ready.is_ok(), "reads go on");
    // Those that follow found out by themselves: the leader's word may not get through.
    for n in 0..3 {
        assert_eq!(commits(&world, n), Some(false), "node {n}");
    }
    let term = world.status(leader).unwrap().log.term;
    world.live(seconds(30));
    assert_eq!(world.status(leader).unwrap().log.term, term);
    (0..3).for_each(|n| world.leave(n, 1 << 30));
    world.until(seconds(10), "writes commit again", |world| {
        commits(world, leader) == Some(true)
    });
}

#[test]
fn a_leader_with_a_full_disk_gives_way_to_one_that_has_room() {
    let (mut world, full) = idle(11);
    world.leave(full, 1 << 20);
    world.until(seconds(10), "another leads", |world| {
        world.leader().is_some_and(|leader| leader != full)
    });
    let workload = Workload::default();
    for number in 0..90 {
        workload.write(&world, number);
        world.live(Duration::from_millis(50));
    }
    let written = workload.acknowledged().len();
    // What was asked of the full node was refused there.
    assert!((40..80).contains(&written), "{written}");
    assert_ne!(world.leader(), Some(full));
    world.leave(full, 1 << 30);
    world.until(seconds(30), "all have everything", |world| {
        (0..3).all(|n| workload.missing(world, n).is_empty())
    });
}

#[test]
fn a_follower_with_a_full_disk_lags_and_catches_up_when_it_has_room() {
    let (mut world, leader) = idle(8);
    let full = (leader + 1) % 3;
    world.leave(full, 1 << 20);
    world.live(seconds(3));
    let workload = Workload::default();
    // Past a snapshot: the log behind it is given up.
    for number in 0..600 {
        workload.write(&world, number);
        world.live(Duration::from_millis(20));
    }
    world.live(seconds(5));
    let written = workload.acknowledged().len();
    // What was asked of the full node was refused there; everybody else takes writes.
    assert!((350..450).contains(&written), "{written}");
    assert_eq!(world.leader(), Some(leader), "leadership stays");
    assert!(!workload.missing(&world, full).is_empty(), "it lags");
    assert!(world.status(full).unwrap().failure.is_none());
    world.leave(full, 1 << 30);
    world.until(seconds(60), "it has caught up", |world| {
        workload.missing(world, full).is_empty()
    });
}

#[test]
fn before_a_cluster_is_open_nobody_makes_a_canary() {
    let mut world = World::new(9, 2);
    (0..2).for_each(|n| world.start(n));
    world.until(seconds(10), "both have started", |world| {
        (0..2).all(|n| world.node(n).is_some())
    });
    let first = world.id(0).unwrap();
    let node = world.node(0).unwrap();
    world.spawn(0, async move {
        node.bootstrap(first, 2).await.unwrap();
    });
    world.until(seconds(10), "it leads", |world| world.leader() == Some(0));
    world.live(seconds(40));
    let status = world.status(0).unwrap();
    assert!(!status.open);
    assert_eq!((status.commits, status.canaries.made), (None, 0));
}

#[test]
fn a_fence_outlives_a_crash_and_the_log_goes_on_behind_it() {
    let (mut world, leader) = idle(10);
    let fenced = (leader + 1) % 3;
    let node = world.node(fenced).unwrap();
    world.spawn(fenced, async move { node.set_fence(true).await.unwrap() });
    world.until(seconds(5), "the fence is up", |world| {
        world.status(fenced).is_some_and(|status| status.fenced)
    });
    world.crash(fenced);
    world.start(fenced);
    world.until(seconds(30), "it is back", |world| {
        world.status(fenced).is_some_and(|status| status.fenced)
    });
    let workload = Workload::default();
    for number in 0..60 {
        workload.write(&world, number);
        world.live(Duration::from_millis(50));
    }
    let written = workload.acknowledged().len();
    assert!(
        (25..55).contains(&written),
        "{written}: it serves no client"
    );
    world.until(seconds(30), "it has every entry", |world| {
        workload.missing(world, fenced).is_empty()
    });
    let ready = world.status(fenced).unwrap().ready.unwrap_err();
    assert!(ready.to_string().starts_with("fenced: "), "{ready}");
}
