//! Worlds as no moment had them: each object is seen as it was at another moment, and some are not seen at all. Lists
//! are read one after the other, so that the plan must be harmless whatever it is shown.

use std::collections::BTreeMap;

use crds::{ClusterNodeSpec, Membership};
use operator::observe::Observed;
use operator::plan::{ConditionType, Plan, Step, View, plan};
use operator::resource::Kind;
use operator::validate::{Subject, validate};

use super::world::{UID, World};

const WALKS: u64 = 150;
const MOVES: usize = 80;
const TORN_PER_WALK: usize = 40;
/// One of so many objects is not seen.
const UNSEEN: u64 = 12;

#[test]
fn a_plan_is_harmless_whatever_it_is_shown() {
    let mut steps = BTreeMap::new();
    for seed in 1000..1000 + WALKS {
        let mut world = World::new(seed, 3);
        if seed % 2 == 1 {
            world.zones = vec!["a", "b", "c"];
        }
        let mut moments = Vec::new();
        for _ in 0..MOVES {
            world.something_happens();
            moments.push((world.seen.clone(), world.status.clone()));
        }
        // Who only looks is harmless, and a wish to recover holds all else up.
        world.paused = false;
        world.recover_from = world.recover_from.filter(|_| seed % 4 == 0);
        for _ in 0..TORN_PER_WALK {
            // Near the end lie moments that are alike; far apart ones contradict each other more.
            let span = 1 + world.chance(MOVES as u64);
            let seen = world.torn(&moments, span);
            let at = world.earlier(span);
            world.status = moments[at].1.clone();
            let decided = check(&world, &seen);
            *steps.entry(decided).or_insert(0) += 1;
        }
    }
    // Chance has shown what it should: each kind of step was taken somewhere.
    for step in ["Bootstrap", "Remove", "Restart", "ReplaceSet", "Shrink"] {
        assert!(steps.contains_key(step), "{steps:?}");
    }
}

impl World {
    /// Index of one of the last `span` moments.
    fn earlier(&mut self, span: u64) -> usize {
        MOVES - 1 - usize::try_from(self.chance(span)).unwrap()
    }

    fn torn(&mut self, moments: &[(Observed, crds::ClusterStatus)], span: u64) -> Observed {
        let mut seen = Observed::default();
        // Of each object one moment's; those of one list that were made or deleted meanwhile appear or not.
        macro_rules! mix {
            ($list:ident) => {
                let mut names: Vec<_> = (moments.iter())
                    .flat_map(|(seen, _)| seen.$list.iter().map(|object| object.name.clone()))
                    .collect();
                names.sort();
                names.dedup();
                for name in names {
                    let (seen_then, _) = &moments[self.earlier(span)];
                    let found = seen_then.$list.iter().filter(|object| object.name == name);
                    if self.chance(UNSEEN) > 0 {
                        seen.$list.extend(found.cloned());
                    }
                }
            };
        }
        mix!(nodes);
        mix!(pods);
        mix!(claims);
        mix!(sets);
        mix!(objects);
        seen
    }
}

/// Holds the plan for `seen` against what must never be; returns the step's name.
fn check(world: &World, seen: &Observed) -> &'static str {
    let seed = world.seed;
    let cluster = world.cluster();
    let (subject, validated) = (Subject::of(&cluster), validate(&cluster));
    let decided = plan(&subject, &validated, seen);
    assert_eq!(decided, plan(&subject, &validated, seen), "{seed}");

    let types: Vec<ConditionType> = decided.conditions.iter().map(|told| told.type_).collect();
    assert_eq!(types, ConditionType::ALL, "{seed}");
    assert!(
        decided
            .conditions
            .iter()
            .all(|told| !told.message.is_empty())
    );
    assert!(decided.status.is_some());

    let view = View::new(&subject, seen);
    let effects = effects(&decided, seen, &view);
    let step = decided.step.as_ref().map_or("none", Step::name);
    assert!(
        effects.len() <= 1,
        "{seed}: {effects:?} at once, with step {step}"
    );
    assert!(
        effects.iter().all(|effect| *effect == step),
        "{seed}: {effects:?} are not the step {step}"
    );
    if step == "Bootstrap" {
        assert!(view.cluster_ids.is_empty(), "{seed}: formed over data");
    }
    if let Some(Step::Restart { node, pod_uid, .. }) = &decided.step {
        check_restart(&view, seed, node, pod_uid);
    }
    for gone in &decided.sweep {
        let mut objects = seen.objects.iter();
        let object = objects.find(|object| object.uid == gone.uid).unwrap();
        assert_eq!(object.owner.as_ref().unwrap().uid, UID, "{seed}");
        assert_ne!(gone.kind, Kind::PersistentVolumeClaim, "{seed}");
    }
    step
}

/// The risky things that applying `decided` does, by name of the step that would allow each.
fn effects(decided: &Plan, seen: &Observed, view: &View) -> Vec<&'static str> {
    let mut effects = Vec::new();
    for wanted in &decided.resources {
        let spec = &wanted.object["spec"];
        match wanted.kind {
            Kind::ClusterNode => {
                let wish: ClusterNodeSpec = serde_json::from_value(spec.clone()).unwrap();
                let mut nodes = seen.nodes.iter();
                let before = nodes.find(|node| node.name == wanted.name);
                effects.extend(of_wish(before.map(|node| &node.spec), &wish));
            }
            Kind::StatefulSet => {
                let mut sets = seen.sets.iter();
                let before = sets.find(|set| set.name == wanted.name);
                let fewer =
                    before.is_some_and(|set| spec["replicas"].as_u64() < Some(set.replicas.into()));
                // Before there is data, pods may go as they came; what has neither pod nor volume is only a number.
                let data = !view.cluster_ids.is_empty();
                effects.extend(
                    (fewer && data && holds_more(view, &wanted.name, spec)).then_some("Shrink"),
                );
            }
            _ => {}
        }
    }
    let deletes = |step: &&Step| matches!(step, Step::Restart { .. } | Step::ReplaceSet { .. });
    effects.extend(decided.step.as_ref().filter(deletes).map(Step::name));
    effects
}

/// True when a pod is seen that a StatefulSet of that size does not have.
fn holds_more(view: &View, set: &str, spec: &serde_json::Value) -> bool {
    let replicas = spec["replicas"].as_u64().unwrap();
    view.nodes.iter().any(|node| {
        let here = node.name.rsplit_once('-').is_some_and(|(of, _)| of == set);
        here && u64::from(node.ordinal) >= replicas && node.pod.is_some()
    })
}

fn of_wish(before: Option<&ClusterNodeSpec>, wish: &ClusterNodeSpec) -> Vec<&'static str> {
    let mut effects = Vec::new();
    let first = |had: Option<bool>, has: bool| has && had != Some(true);
    if first(
        before.map(|spec| spec.bootstrap.is_some()),
        wish.bootstrap.is_some(),
    ) {
        effects.push("Bootstrap");
    }
    if first(
        before.map(|spec| spec.recover.is_some()),
        wish.recover.is_some(),
    ) {
        effects.push("Recover");
    }
    // Of a member: who has none takes nothing away.
    if let Some(before) = before.filter(|spec| spec.member_id.is_some()) {
        assert!(
            wish.epoch >= before.epoch,
            "an epoch falls: {before:?} {wish:?}"
        );
        let same = before.member_id == wish.member_id;
        if same
            && before.membership != Membership::Removed
            && wish.membership == Membership::Removed
        {
            effects.push("Remove");
        }
        if same && before.membership == Membership::Voter && wish.membership == Membership::Learner
        {
            effects.push("TakeVote");
        }
    }
    effects
}

/// A pod that works and votes goes only where the others are a majority, as far as was seen.
fn check_restart(view: &View, seed: u64, name: &str, pod_uid: &str) {
    let node = view.nodes.iter().find(|node| node.name == name).unwrap();
    let pod = node.pod.unwrap();
    assert!(pod.uid == pod_uid && !pod.deleting, "{seed}: {pod:?}");
    let (Some(leader), Some(member)) = (view.fresh_leader(), node.reported()) else {
        assert!(!pod.ready, "{seed}: {name} works, and nobody leads");
        return;
    };
    if !leader.is_voter(member) || !node.is_alive() {
        return;
    }
    let voters = leader.status.voters.len();
    let live = view.live_voters(leader.other_voters(member));
    assert!(
        live * 2 > voters || (voters <= 2 && live + 1 >= voters),
        "{seed}: {name} goes and leaves {live} of {voters}"
    );
    assert!(
        voters == 1 || leader.member != member,
        "{seed}: {name} goes while it leads"
    );
}
