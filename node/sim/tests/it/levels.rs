//! A cluster that begins at a lower feature level rises to what all of its members know.

use std::time::Duration;

use node_server::FEATURE_LEVEL_MAX;
use node_sim::World;

const WITHIN: Duration = Duration::from_secs(20);

fn level(world: &World, n: usize) -> u32 {
    let node = world.node(n);
    node.map_or(0, |node| node.reader().feature_level())
}

fn is_raised(world: &World) -> bool {
    (0..3).all(|n| level(world, n) == FEATURE_LEVEL_MAX)
}

/// Clusters of odd seeds begin one level below. Some of them are raised before all of their nodes are ready; not these.
fn worlds() -> impl Iterator<Item = World> {
    let formed = (1..40).step_by(2).map(|seed| World::formed(seed, 3));
    let below = |world: &World| (0..3).all(|n| level(world, n) == FEATURE_LEVEL_MAX - 1);
    let mut worlds = formed.filter(below).take(3).peekable();
    assert!(worlds.peek().is_some(), "none begins below");
    worlds
}

#[test]
fn a_level_rises_once_every_member_has_said_that_it_knows_it() {
    for mut world in worlds() {
        world.until(WITHIN, "every node has reached it", is_raised);
    }
}

#[test]
fn a_member_that_says_nothing_holds_the_level_where_it_is() {
    for mut world in worlds() {
        let leader = world.leader().unwrap();
        let silent = (leader + 1) % 3;
        world.kill(silent);
        world.live(WITHIN);
        let others = (0..3).filter(|n| *n != silent);
        for n in others {
            assert_eq!(level(&world, n), FEATURE_LEVEL_MAX - 1, "node {n}");
        }
        world.start(silent);
        world.until(WITHIN, "every node has reached it", is_raised);
    }
}
