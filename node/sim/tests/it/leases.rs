//! Reads by lease: nobody shows less than what was acknowledged before, whoever leads by then.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_engines::{Command, kv};
use node_server::{Consistency, MemberWish};
use node_sim::World;

const STEP: Duration = Duration::from_millis(2);

/// A number that only rises, in one key.
#[derive(Clone, Default)]
struct Counter(Arc<Mutex<Seen>>);

#[derive(Clone, Default)]
struct Seen {
    written: u64,
    acknowledged: u64,
    reads: u64,
    stale: Vec<String>,
}

impl Counter {
    fn seen(&self) -> Seen {
        self.0.lock().unwrap().clone()
    }

    /// Writes the next number through machine `n`.
    fn write(&self, world: &World, n: usize) {
        let Some(node) = world.node(n) else { return };
        let number = {
            let mut seen = self.0.lock().unwrap();
            seen.written += 1;
            seen.written
        };
        let mine = self.clone();
        world.spawn(n, async move {
            let command = kv::Command::Put {
                key: "number".into(),
                value: number.to_string().into(),
            };
            if node.write(None, vec![Command::Kv(command)]).await.is_ok() {
                let mut seen = mine.0.lock().unwrap();
                seen.acknowledged = seen.acknowledged.max(number);
            }
        });
    }

    /// Reads it through machine `n`, by lease.
    fn read(&self, world: &World, n: usize) {
        let Some(node) = world.node(n) else { return };
        let (mine, least, age) = (self.clone(), self.seen().acknowledged, world.age());
        world.spawn(n, async move {
            let Ok((found, _)) = node.get(b"number", Consistency::Lease).await else {
                return;
            };
            let value = found.map_or_else(
                || "0".to_owned(),
                |found| String::from_utf8(found.value.to_vec()).unwrap(),
            );
            let mut seen = mine.0.lock().unwrap();
            seen.reads += 1;
            if value.parse::<u64>().unwrap() < least {
                seen.stale
                    .push(format!("n{n} at {age:?}: {value}, not {least}"));
            }
        });
    }

    /// For a while machine `old` is asked, and whoever else leads is written to.
    fn contest(&self, world: &mut World, old: usize, span: Duration) {
        let end = world.age() + span;
        while world.age() < end {
            self.read(world, old);
            if let Some(new) = world.leader().filter(|new| *new != old) {
                self.write(world, new);
            }
            world.live(STEP);
        }
    }
}

/// A cluster whose counter stands at 1, and its leader.
fn counting(seed: u64, count: usize) -> (World, usize, Counter) {
    let mut world = World::formed(seed, count);
    let (leader, counter) = (world.leader().unwrap(), Counter::default());
    counter.write(&world, leader);
    let written = counter.clone();
    world.until(Duration::from_secs(5), "it is written", move |_| {
        written.seen().acknowledged == 1
    });
    (world, leader, counter)
}

#[test]
fn a_leader_that_is_cut_off_answers_for_a_moment_and_never_with_less_than_its_successor_acknowledged()
 {
    let (mut answered, mut overtaken) = (0, 0);
    for seed in 400..410 {
        let (mut world, old, counter) = counting(seed, 3);
        world.isolate(old);
        counter.contest(&mut world, old, Duration::from_secs(3));
        let seen = counter.seen();
        assert_eq!(seen.stale, [""; 0], "seed {seed}");
        answered += seen.reads;
        overtaken += u64::from(seen.acknowledged > 1);
    }
    assert!(answered > 0, "nothing was read by lease");
    assert_eq!(overtaken, 10, "another took over each time");
}

/// The only voter there is elects itself at once, whomever it followed.
#[test]
fn a_leader_that_gave_its_vote_up_does_not_rely_on_a_lease() {
    let mut overtaken = 0;
    for phase in 0..30 {
        let (mut world, old, counter) = counting(500 + phase, 2);
        let (node, member) = (world.node(old).unwrap(), world.id(old).unwrap());
        world.spawn(old, async move {
            // Its end may come first.
            drop(node.change_member(member, MemberWish::Removed, None).await);
        });
        world.live(Duration::from_millis(phase));
        world.isolate(old);
        counter.contest(&mut world, old, Duration::from_millis(400));
        let seen = counter.seen();
        assert_eq!(seen.stale, [""; 0], "after {phase} ms");
        overtaken += u64::from(seen.acknowledged > 1);
    }
    assert!(overtaken > 0, "the other never took over in time");
}

/// Who restarts has forgotten whom it followed, and is asked for its vote before it hears of the leader again.
#[test]
fn a_follower_that_restarts_makes_no_other_leader_while_its_word_counts() {
    let mut overtaken = 0;
    // One seed in thirty has somebody ask for votes in the moment that counts.
    for seed in 600..720 {
        let (mut world, old, counter) = counting(seed, 3);
        let (forgetful, eager) = ((old + 1) % 3, (old + 2) % 3);
        world.silence(old, eager);
        world.silence(eager, old);
        let phase = world.chance().below(500);
        world.live(Duration::from_millis(1500 + phase));
        world.kill(forgetful);
        world.start(forgetful);
        world.until(Duration::from_secs(1), "it has started", |world| {
            world.node(forgetful).is_some()
        });
        // Everybody answers its hello.
        world.live(Duration::from_millis(16));
        world.isolate(old);
        counter.contest(&mut world, old, Duration::from_secs(1));
        let seen = counter.seen();
        assert_eq!(seen.stale, [""; 0], "seed {seed}");
        overtaken += u64::from(seen.acknowledged > 1);
    }
    assert!(overtaken > 0, "the other never took over in time");
}
