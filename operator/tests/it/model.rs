//! Plans against a model of the world (an API server's content, pods, disks, one Raft group) that moves by chance:
//! people scale, fence, grow and change images (to one that does not start, too), leaders change, disks are lost, the
//! operator is asked at any moment. Whatever happens, the cluster is formed once, never loses its majority by the
//! operator's hand, and ends as asked.

mod api_server;
mod kubernetes;
mod nodes;
mod passes;
mod torn;
mod world;

use crds::{Membership, names};

use world::{BAD_IMAGE, ROUNDS_TO_SETTLE, World, settings};

const WALKS: u64 = 300;
const MOVES: usize = 80;

#[test]
fn whatever_happens_the_cluster_ends_as_asked_and_never_loses_its_majority() {
    for seed in 0..WALKS {
        let mut world = World::new(seed, 3);
        if seed % 2 == 1 {
            world.zones = vec!["a", "b", "c"];
        }
        for _ in 0..MOVES {
            world.something_happens();
        }
        world.settle();
    }
}

#[test]
fn there_and_back_renders_what_was_there() {
    type Change = Box<dyn Fn(&mut World)>;
    let mut ways: Vec<(&str, Change, Change)> = vec![(
        "image",
        Box::new(|w| w.image = "kluster:2"),
        Box::new(|w| w.image = "kluster:1"),
    )];
    for there in [1, 5, 7] {
        let change: Change = Box::new(move |world| world.replicas = there);
        ways.push(("replicas", change, Box::new(|world| world.replicas = 3)));
    }
    for (field, value) in settings() {
        let change = move |world: &mut World| drop(world.settings.insert(field, value.clone()));
        let back = move |world: &mut World| drop(world.settings.remove(field));
        ways.push((field, Box::new(change), Box::new(back)));
    }
    for zones in [vec![], vec!["a", "b", "c"]] {
        for (field, there, back) in &ways {
            let mut world = World::new(7, 3);
            world.zones.clone_from(&zones);
            world.settle();
            let before = world.rendered();
            there(&mut world);
            world.settle();
            assert_ne!(before, world.rendered(), "{field}");
            back(&mut world);
            world.settle();
            assert_eq!(before, world.rendered(), "{field}");
        }
    }
}

#[test]
fn what_a_person_asks_for_a_while_leaves_nothing_behind() {
    let mut world = World::new(8, 3);
    world.settle();
    let before = world.rendered();
    world.paused = true;
    world.image = "kluster:2";
    for _ in 0..20 {
        assert_eq!(world.round(), 0, "a paused Cluster is only looked at");
    }
    world.image = "kluster:1";
    world.settle();
    assert_eq!(before, world.rendered(), "paused");
    world.fence("demo-default-0");
    for _ in 0..40 {
        world.round();
    }
    world.settle();
    assert_eq!(before, world.rendered(), "fenced");
}

#[test]
fn full_volumes_grow_step_by_step_up_to_the_limit_and_not_beyond() {
    let size_of = |world: &World| world.seen.claims[0].size.clone().unwrap();
    let mut world = World::new(9, 3);
    world.settle();
    world.data_bytes = 900 << 20;
    world.settle();
    assert_eq!(size_of(&world), "1Gi", "nobody asked for more");
    world.toggle_auto_grow();
    world.settle();
    assert_eq!(size_of(&world), "1490Mi");
    world.data_bytes = 1 << 40;
    world.settle();
    assert_eq!(size_of(&world), "4Gi");
    world.data_bytes = 1 << 20;
    world.settle();
    world.toggle_auto_grow();
    world.settle();
    assert_eq!(size_of(&world), "4Gi", "nothing shrinks");
}

#[test]
fn a_bad_image_takes_one_pod_down_and_never_wedges_the_way_back() {
    let mut world = World::new(3, 3);
    world.settle();
    world.image = BAD_IMAGE;
    for _ in 0..ROUNDS_TO_SETTLE {
        world.round();
    }
    let broken = |world: &World| {
        let pods = world.seen.pods.iter();
        pods.filter(|pod| pod.trouble.is_some()).count()
    };
    assert_eq!(broken(&world), 1);
    let told = world.plan().wait.unwrap();
    assert_eq!(told.reason.to_string(), "RollBlocked", "{told:?}");
    world.image = "kluster:2";
    world.settle();
    assert_eq!(broken(&world), 0);

    // Even of a cluster that never came into being.
    let mut world = World::new(4, 3);
    world.image = BAD_IMAGE;
    for _ in 0..20 {
        world.round();
    }
    assert_eq!(broken(&world), 3);
    world.image = "kluster:2";
    world.settle();
}

#[test]
fn a_fenced_node_gives_up_its_vote_and_comes_back_but_the_last_majority_stays() {
    let mut world = World::new(5, 3);
    world.settle();
    world.fence("demo-default-0");
    for _ in 0..40 {
        world.round();
    }
    let voters = |world: &World| world.members.values().filter(|votes| **votes).count();
    assert_eq!((voters(&world), world.members.len()), (2, 3));
    let node = &world.seen.nodes[0];
    assert!(node.spec.fenced && node.spec.membership == Membership::Learner);
    let plan = world.plan();
    let told = |type_: &str| {
        let mut all = plan.conditions.iter();
        all.find(|told| told.type_.to_string() == type_).unwrap()
    };
    assert_eq!(told("Degraded").reason.to_string(), "NodesFenced");
    assert_eq!(told("Ready").holds, Some(true));
    for name in ["demo-default-1", "demo-default-2"] {
        world.fence(name);
    }
    for _ in 0..80 {
        world.round();
    }
    assert_eq!(voters(&world), 2, "a majority of three goes on voting");
    let told = world.plan().wait.unwrap();
    assert_eq!(told.reason.to_string(), "FenceWouldLoseQuorum", "{told:?}");
    world.settle();
}

#[test]
fn after_a_lost_majority_nothing_happens_until_a_person_names_the_survivor() {
    let mut world = World::new(6, 3);
    world.settle();
    let survivor = world.disks[&names::volume_claim("demo-default-0")]
        .member
        .clone();
    for name in ["demo-default-1", "demo-default-2"] {
        world.lose_disk_of(name);
    }
    for _ in 0..40 {
        world.round();
    }
    assert_eq!(world.members.len(), 3, "nobody begins anew unasked");
    let wish = |position: &str| crds::RecoverFrom {
        member_id: survivor.clone(),
        position: position.to_owned(),
        acknowledge_loss: true,
    };
    world.recover_from = Some(wish("0.0.5"));
    world.settle();
    let obeyed = world.status.recovery.clone().unwrap();
    assert_eq!((obeyed.incarnation, obeyed.refusal), (1, None));
    assert!(
        world
            .seen
            .nodes
            .iter()
            .all(|node| node.spec.recover.is_none())
    );

    // While all is well another wish is used up without effect, also for later.
    world.recover_from = Some(wish("0.1.9"));
    world.settle();
    assert!(world.status.recovery.clone().unwrap().refusal.is_some());
    for name in ["demo-default-1", "demo-default-2"] {
        world.lose_disk_of(name);
    }
    for _ in 0..40 {
        world.round();
    }
    assert_eq!(world.members.len(), 3);
}
