//! What campaigns found, each as small as it could be made.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use node_engines::{Command, kv};
use node_replication::Member;
use node_server::{MemberWish, Node};
use node_sim::campaign::{Case, run};
use node_sim::{Workload, World};

/// A call on the node of machine `n`, and whether it is answered.
fn call<F, C>(world: &World, n: usize, call: C) -> impl Fn(&World) -> bool + use<F, C>
where
    F: Future<Output = ()> + Send + 'static,
    C: FnOnce(Node) -> F,
{
    let done = Arc::new(Mutex::new(false));
    let (answered, future) = (done.clone(), call(world.node(n).unwrap()));
    world.spawn(n, async move {
        future.await;
        *done.lock().unwrap() = true;
    });
    move |_| *answered.lock().unwrap()
}

/// The core has news whenever it is asked for a snapshot: whoever asked again at each of them kept it busy for ever.
#[test]
fn a_snapshot_is_asked_for_without_keeping_the_core_busy() {
    let mut world = World::formed(1, 3);
    let workload = Workload::default();
    (0..20).for_each(|number| workload.write(&world, number));
    world.live(Duration::from_millis(200));
    for n in 0..3 {
        let answered = call(&world, n, async |node| {
            node.snapshot().await.unwrap();
        });
        world.until(Duration::from_secs(5), "a snapshot is built", answered);
    }
}

/// A stream of answers that has ended must not be asked for the next one.
#[test]
fn a_log_that_fails_with_many_proposals_in_hand_answers_all_of_them() {
    for seed in 0..8 {
        let mut world = World::formed(seed, 3);
        let leader = world.leader().unwrap();
        let writes: Vec<_> = (0..20)
            .map(|number| {
                call(&world, leader, async move |node| {
                    let command = kv::Command::Put {
                        key: format!("key/{number}").into(),
                        value: "value".into(),
                    };
                    // Nobody knows what became of it, which is an answer.
                    drop(node.write(None, vec![Command::Kv(command)]).await);
                })
            })
            .collect();
        world.fail_next_sync(leader);
        world.until(Duration::from_secs(20), "all are answered", |world| {
            writes.iter().all(|answered| answered(world))
        });
    }
}

/// Nobody calls a learner that was removed while it was away, and by itself it called nobody.
#[test]
fn a_learner_that_was_removed_while_it_was_away_learns_of_it() {
    let mut world = World::formed_of(3, 4, 3, None);
    world.start(3);
    world.until(Duration::from_secs(5), "the node has started", |world| {
        world.node(3).is_some()
    });
    let (leader, status) = (world.leader().unwrap(), world.status(3).unwrap().log);
    let id = status.member;
    let learner = Member {
        peer_address: status.peer_address,
        key: status.public_key,
        epoch: 1,
    };
    let joined = call(&world, leader, async move |node| {
        node.change_member(id, MemberWish::Learner(learner), None)
            .await
            .unwrap();
    });
    world.until(Duration::from_secs(10), "it joins", joined);
    let follows = |world: &World| world.status(3).is_some_and(|s| s.ready.is_ok());
    world.until(Duration::from_secs(10), "it follows", follows);
    world.isolate(3);
    let removed = call(&world, leader, async move |node| {
        node.change_member(id, MemberWish::Removed, None)
            .await
            .unwrap();
    });
    world.until(Duration::from_secs(10), "it is removed", removed);
    world.heal(3);
    let knows = |world: &World| world.status(3).is_some_and(|s| s.log.self_removed);
    world.until(Duration::from_secs(30), "it knows", knows);
}

/// A watch from the revision that was told as compacted ended again and again; a lease that a leader found over, and that was
/// cut off then, was told to live and ended after.
#[test]
fn seeds_that_broke_a_promise_once_keep_it() {
    for seed in [77_083, 224_375_780] {
        let verdict = run(&Case::of(seed, None)).verdict;
        assert!(verdict.is_ok(), "{seed}: {verdict:?}");
    }
}
