//! The same entries give the same outcomes, the same rows and the same digest: on every storage, in runs of any size, over
//! restarts and crashes, and through a snapshot.

use std::sync::Arc;

use node_disk::Disk;
use node_engines::{Change, Engines, LogId, LogIndex, Outcome};
use node_storage::{Digest, Memory, Row, Storage};

use crate::history::{Dice, history, history_at_level};

const SEEDS: std::ops::Range<u64> = 0..8;
const ENTRIES: u64 = 600;

/// Of either feature level.
fn either(seed: u64) -> Vec<(LogId, Change)> {
    let level = 1 + u32::try_from(seed % 2).unwrap();
    history_at_level(level, seed, ENTRIES)
}

/// Everything that two nodes must agree on.
#[derive(Debug, PartialEq)]
struct State {
    outcomes: Vec<Outcome>,
    digest: (LogIndex, Digest),
    rows: Vec<Row>,
}

fn rows(storage: &dyn Storage) -> Vec<Row> {
    storage.view().unwrap().rows().map(Result::unwrap).collect()
}

/// Applies a history in runs whose sizes `size` draws.
fn apply(
    storage: Arc<dyn Storage>,
    mut history: Vec<(LogId, Change)>,
    mut size: impl FnMut() -> usize,
) -> State {
    let mut engines = Engines::open(storage.clone()).unwrap();
    let mut outcomes = Vec::new();
    while !history.is_empty() {
        let rest = history.split_off(size().min(history.len()));
        outcomes.extend(
            engines
                .apply(std::mem::replace(&mut history, rest))
                .unwrap(),
        );
    }
    engines.check_invariants().unwrap();
    State {
        outcomes,
        digest: engines.reader().digest(),
        rows: rows(storage.as_ref()),
    }
}

#[test]
fn runs_of_any_size_on_memory_and_disk_agree() {
    for seed in SEEDS {
        let entries = either(seed);
        let expected = apply(Arc::new(Memory::new()), entries.clone(), || 1);
        let accepted = |outcome: &&Outcome| matches!(outcome, Outcome::Accepted { .. });
        assert!(
            expected.outcomes.iter().filter(accepted).count() > 300,
            "a history worth it"
        );
        assert!(
            expected
                .outcomes
                .iter()
                .any(|outcome| matches!(outcome, Outcome::Rejected(_)))
        );

        let mut dice = Dice(seed);
        let mut any = || 1 + usize::try_from(dice.below(100)).unwrap();
        let on_memory = apply(Arc::new(Memory::new()), entries.clone(), &mut any);
        assert_eq!(on_memory, expected, "seed {seed}");

        let dir = tempfile::tempdir().unwrap();
        let disk = Arc::new(Disk::open(dir.path()).unwrap());
        let on_disk = apply(disk, entries, &mut any);
        assert_eq!(on_disk, expected, "seed {seed}");
    }
}

#[test]
fn a_crash_and_a_replay_change_nothing() {
    for seed in SEEDS {
        let entries = either(seed);
        let expected = apply(Arc::new(Memory::new()), entries.clone(), || 1);

        let mut dice = Dice(seed);
        let memory = Memory::new();
        let mut outcomes = Vec::new();
        while outcomes.len() < entries.len() {
            let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
            engines.check_invariants().unwrap();
            let applied = engines.reader().applied();
            let next = applied.map_or(0, |applied| {
                usize::try_from(applied.last.index).unwrap() + 1
            });
            outcomes.truncate(next);
            for run in entries[next..].chunks(7).take(10) {
                outcomes.extend(engines.apply(run.to_vec()).unwrap());
                if dice.below(4) == 0 {
                    memory.persist().unwrap();
                }
            }
            if outcomes.len() < entries.len() {
                memory.crash_at(usize::try_from(dice.below(10)).unwrap());
            }
        }
        let engines = Engines::open(Arc::new(memory.clone())).unwrap();
        let digest = engines.reader().digest();
        assert_eq!(
            State {
                outcomes,
                digest,
                rows: rows(&memory)
            },
            expected,
            "seed {seed}"
        );
    }
}

#[test]
fn a_reopened_disk_has_the_index_it_had() {
    let dir = tempfile::tempdir().unwrap();
    let entries = either(99);
    let list = |engines: &Engines| engines.reader().list(b"", None, usize::MAX);
    let before = {
        let disk = Arc::new(Disk::open(dir.path()).unwrap());
        let mut engines = Engines::open(disk.clone()).unwrap();
        engines.apply(entries).unwrap();
        disk.persist().unwrap();
        list(&engines)
    };
    assert!(before.items.len() > 20);
    let engines = Engines::open(Arc::new(Disk::open(dir.path()).unwrap())).unwrap();
    engines.check_invariants().unwrap();
    assert_eq!(list(&engines), before);
}

#[test]
fn a_node_that_took_over_a_snapshot_goes_on_as_the_others() {
    let entries = either(5);
    let (first, second) = entries.split_at(400);
    let expected = apply(Arc::new(Memory::new()), entries.clone(), || 50);

    let from = Memory::new();
    Engines::open(Arc::new(from.clone()))
        .unwrap()
        .apply(first.to_vec())
        .unwrap();
    let dir = tempfile::tempdir().unwrap();
    let disk = Arc::new(Disk::open(dir.path()).unwrap());
    let mut engines = Engines::open(disk.clone()).unwrap();
    engines.apply(history(6, 30)).unwrap();
    let reader = engines.reader();
    engines.replace(&mut from.view().unwrap().rows()).unwrap();
    engines.check_invariants().unwrap();
    assert_eq!(
        reader.digest().0,
        LogIndex(399),
        "a reader from before follows"
    );
    engines.apply(second.to_vec()).unwrap();
    assert_eq!(engines.reader().digest(), expected.digest);
    assert_eq!(rows(disk.as_ref()), expected.rows);
}

#[test]
fn one_different_entry_is_named_by_the_kept_digests() {
    let entries = history(3, ENTRIES);
    let mut other = entries.clone();
    other[300].1 = Change::Blank;
    let engines = [entries, other].map(|entries| {
        let mut engines = Engines::open(Arc::new(Memory::new())).unwrap();
        engines.apply(entries).unwrap();
        engines
    });
    let [one, two] = engines.each_ref().map(Engines::reader);
    let differing: Vec<_> = (0..ENTRIES)
        .map(LogIndex)
        .filter(|index| one.digest_at(*index) != two.digest_at(*index))
        .collect();
    assert_eq!(
        differing.first(),
        Some(&LogIndex(320)),
        "the first kept digest after entry 300"
    );
}
