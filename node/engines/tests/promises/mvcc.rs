//! The history of the keys: what was read at a revision is read at it later, until it is given up; and then its rows go.

use std::collections::BTreeMap;
use std::sync::Arc;

use bytes::Bytes;
use node_engines::{
    Change, Command, Engines, Entry, LogId, Portion, Proposal, Reader, Rejection, Stamp, kv,
};
use node_storage::{Memory, Storage, Table};

use crate::history::{history, history_at_level, raise};

fn everything(revision: Option<u64>) -> kv::Query {
    let mut query = kv::Query::all(kv::Keys {
        from: Bytes::new(),
        end: kv::End::Open,
    });
    query.revision = revision.map(kv::Revision);
    query
}

/// Reads each revision that there was; those before `compacted` are refused.
fn assert_history(reader: &Reader, then: &BTreeMap<u64, kv::Queried>, compacted: u64) {
    for (revision, expected) in then {
        let found = reader.query(&everything(Some(*revision))).unwrap();
        match *revision < compacted {
            true => assert_eq!(found, Err(Rejection::Compacted), "{revision}"),
            false => assert_eq!(&found.unwrap().1, expected, "{revision}"),
        }
    }
}

fn portion(changes: usize) -> Portion {
    let bytes = usize::MAX;
    Portion { changes, bytes }
}

/// What is read in one go ends with a whole write, and has nothing of other keys.
#[test]
fn a_portion_of_the_changes_is_bounded() {
    let mut engines = Engines::open(Arc::new(Memory::new())).unwrap();
    for (id, change) in history_at_level(2, 3, 300) {
        engines.apply(vec![(id, change)]).unwrap();
    }
    let reader = engines.reader();
    let all = kv::Keys::beginning_with(b"");
    let from = reader.history().compacted.next();
    let read = |keys: &kv::Keys, portion| reader.changes(from, keys, portion).unwrap().unwrap();
    let (every, up_to) = read(&all, portion(usize::MAX));
    assert_eq!(up_to, reader.revision());
    let key = kv::Keys::one(every.last().unwrap().now.key.clone());
    let of_key = every.iter().filter(|change| key.contains(&change.now.key));
    let of_key: Vec<_> = of_key.cloned().collect();
    assert!((1..every.len()).contains(&of_key.len()));
    assert_eq!(read(&key, portion(usize::MAX)), (of_key, up_to));

    let few = Portion {
        changes: usize::MAX,
        bytes: 1,
    };
    for portion in [few, portion(2)] {
        let (some, up_to) = read(&all, portion);
        let whole = every.iter().filter(|change| change.revision() <= up_to);
        assert_eq!(some, whole.cloned().collect::<Vec<_>>());
        assert!(some.len() < every.len() && up_to >= from);
    }
    // What is looked at counts too, though nothing is found.
    let (none, up_to) = read(&kv::Keys::one(Bytes::from_static(b"none")), portion(2));
    assert!(none.is_empty() && up_to < reader.revision());
}

/// The changes from a revision on, put on what was there before it, give what is there now.
#[test]
fn the_changes_from_a_revision_on_lead_to_what_is_there() {
    let mut engines = Engines::open(Arc::new(Memory::new())).unwrap();
    let mut then = BTreeMap::new();
    for (id, change) in history_at_level(2, 9, 1000) {
        engines.apply(vec![(id, change)]).unwrap();
        let (revision, found) = engines.reader().query(&everything(None)).unwrap().unwrap();
        then.insert(revision.0, found);
    }
    let reader = engines.reader();
    let all = kv::Keys::beginning_with(b"");
    let last = reader.revision();
    let mut followed = 0;
    for (from, found) in then {
        let mut state: BTreeMap<_, _> = found
            .items
            .into_iter()
            .map(|item| (item.key.clone(), item))
            .collect();
        let mut next = kv::Revision(from + 1);
        while next <= last {
            let Ok((changes, _)) = reader.changes(next, &all, portion(3)).unwrap() else {
                break;
            };
            for change in changes {
                assert!(change.revision() >= next, "in order");
                next = change.revision();
                let before = reader.before(&change).unwrap();
                assert_eq!(before.as_ref(), state.get(&change.now.key), "{change:?}");
                match change.deleted {
                    true => state.remove(&change.now.key),
                    false => state.insert(change.now.key.clone(), change.now),
                };
            }
            // The engines skip revisions only where a delete of level 1 found nothing.
            next = next.next();
            if reader
                .changes(next, &all, portion(1))
                .unwrap()
                .is_ok_and(|(changes, _)| changes.is_empty())
            {
                break;
            }
        }
        let Ok((_, now)) = reader.query(&everything(None)).unwrap() else {
            panic!("the last revision is there")
        };
        if reader
            .changes(kv::Revision(from + 1), &all, portion(1))
            .unwrap()
            .is_ok()
        {
            assert_eq!(
                state.into_values().collect::<Vec<_>>(),
                now.items,
                "from {from}"
            );
            followed += 1;
        }
    }
    assert!(followed > 20, "{followed}");
}

#[test]
fn what_was_read_at_a_revision_is_read_at_it_later() {
    for seed in 0..4 {
        let memory = Memory::new();
        let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
        let mut then = BTreeMap::new();
        let mut compacted = 0;
        for (id, change) in history_at_level(2, seed, 1000) {
            let outcomes = engines.apply(vec![(id, change)]).unwrap();
            let reader = engines.reader();
            let (revision, found) = reader.query(&everything(None)).unwrap().unwrap();
            then.insert(revision.0, found);
            if format!("{outcomes:?}").contains("Compacted") {
                let readable =
                    |revision: &u64| reader.query(&everything(Some(*revision))).unwrap().is_ok();
                compacted = then.keys().copied().find(readable).unwrap();
            }
        }
        assert!(then.len() > 200, "{} revisions", then.len());
        assert!(compacted > 0, "a history worth it");
        assert_history(&engines.reader(), &then, compacted);
        let engines = Engines::open(Arc::new(memory)).unwrap();
        assert_history(&engines.reader(), &then, compacted);
    }
}

/// An entry of as many puts as one may have, each of another key of a few.
fn puts(index: u64) -> (LogId, Change) {
    let put = |number: u64| {
        Command::Kv(kv::Command::Put {
            key: Bytes::from(format!("key-{}", (index + number) % 1000)),
            value: Bytes::from(vec![b'v'; 10]),
        })
    };
    entry(index, (0..128).map(put).collect())
}

fn entry(index: u64, commands: Vec<Command>) -> (LogId, Change) {
    let proposal = Proposal {
        request: None,
        commands,
    };
    let entry = Entry::stamped(proposal, Stamp::default());
    let id = LogId {
        term: 1,
        leader: 1,
        index,
    };
    (id, Change::Command(entry.encode()))
}

fn stored(memory: &Memory) -> usize {
    let view = memory.view().unwrap();
    let unbounded = (std::ops::Bound::Unbounded, std::ops::Bound::Unbounded);
    view.scan(Table("kv"), unbounded).count()
}

#[test]
fn what_is_given_up_goes_from_the_storage_a_little_with_each_entry() {
    let memory = Memory::new();
    let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
    engines.apply(history_at_level(2, 0, 3)).unwrap();
    let mut index = 3;
    let mut apply = |engines: &mut Engines, change: &dyn Fn(u64) -> (LogId, Change)| {
        let outcomes = engines.apply(vec![change(index)]).unwrap();
        index += 1;
        format!("{outcomes:?}")
    };
    for _ in 0..1000 {
        apply(&mut engines, &puts);
    }
    assert_eq!(stored(&memory), 128_000, "all of the history");
    let compact = |index| {
        let revision = kv::Revision(127_000);
        entry(index, vec![Command::Kv(kv::Command::Compact { revision })])
    };
    let outcome = apply(&mut engines, &compact);
    assert!(outcome.contains("Compacted"), "{outcome}");
    assert_eq!(stored(&memory), 128_000, "nothing goes at once");

    // Each entry that writes takes more along than it adds.
    for _ in 0..200 {
        apply(&mut engines, &puts);
    }
    assert!(stored(&memory) < 128_000, "{}", stored(&memory));
    engines.check_invariants().unwrap();

    let sweep = |index| entry(index, vec![Command::Kv(kv::Command::Sweep)]);
    let mut before = stored(&memory);
    while {
        apply(&mut engines, &sweep);
        let now = stored(&memory);
        let went = before - now;
        assert!(went <= 1024, "{went} rows at once");
        before = now;
        went > 0
    } {}
    // What is left is the history from there on, and what each of the 1,000 keys had by then. The first put was revision 2.
    assert_eq!(before, 153_601 - 126_999 + 1_000);
    engines.check_invariants().unwrap();
    let reader = engines.reader();
    let digest = reader.digest();
    let gone = reader.query(&everything(Some(126_999))).unwrap();
    assert_eq!(gone, Err(Rejection::Compacted));
    let kept = reader.query(&everything(Some(127_000))).unwrap().unwrap().1;
    assert_eq!(kept.count, 1000);

    // And never what answers may still need: the last 8,192 revisions.
    let compact = |index| {
        let revision = kv::Revision(153_601);
        entry(index, vec![Command::Kv(kv::Command::Compact { revision })])
    };
    apply(&mut engines, &compact);
    for _ in 0..60 {
        apply(&mut engines, &sweep);
    }
    assert_eq!(stored(&memory), 8_192 + 1_000);
    engines.check_invariants().unwrap();
    let again = Engines::open(Arc::new(memory)).unwrap();
    again.check_invariants().unwrap();
    assert_ne!(again.reader().digest(), digest);
    assert_eq!(again.reader().digest(), engines.reader().digest());
}

/// The history as of a revision: places and keys in order.
fn kept(engines: &Engines, revision: Option<u64>) -> Vec<(u64, u32, Bytes)> {
    let kept = engines.reader().kept(revision.map(kv::Revision)).unwrap();
    let kept = kept.unwrap();
    let change = |change: Result<node_engines::KeyChange, _>| {
        let change = change.unwrap();
        (change.revision().0, change.number(), change.now.key)
    };
    kept.changes().map(change).collect()
}

#[test]
fn the_history_as_a_whole_is_the_same_however_much_of_what_was_given_up_is_removed() {
    let memory = Memory::new();
    let mut engines = Engines::open(Arc::new(memory.clone())).unwrap();
    engines.apply(history_at_level(2, 0, 3)).unwrap();
    for index in 3..103 {
        engines.apply(vec![puts(index)]).unwrap();
    }
    let compact = kv::Command::Compact {
        revision: kv::Revision(3_000),
    };
    let compact = entry(103, vec![Command::Kv(compact)]);
    engines.apply(vec![compact]).unwrap();
    let at = [Some(3_000), Some(5_000), None];
    let before = at.map(|revision| kept(&engines, revision));
    // What each of the keys had at the revision, if it was from before; and all since then. The first put was revision 2.
    assert_eq!(before[0].len(), 150, "the keys that were put by then");
    assert!(before[0].iter().all(|(revision, ..)| *revision <= 3_000));
    assert_eq!(
        before[1]
            .iter()
            .filter(|(revision, ..)| *revision > 3_000)
            .count(),
        2_000
    );
    assert_eq!(
        before[2]
            .iter()
            .filter(|(revision, ..)| *revision > 3_000)
            .count(),
        9_801
    );
    let stored_before = stored(&memory);
    for index in 104..110 {
        let sweep = entry(index, vec![Command::Kv(kv::Command::Sweep)]);
        engines.apply(vec![sweep]).unwrap();
        assert_eq!(at.map(|revision| kept(&engines, revision)), before);
    }
    assert!(stored(&memory) < stored_before - 2_500);
    let again = Engines::open(Arc::new(memory)).unwrap();
    assert_eq!(at.map(|revision| kept(&again, revision)), before);
    let kept = again.reader().kept(Some(kv::Revision(2_999))).unwrap();
    assert!(matches!(kept, Err(Rejection::Compacted)));
    let kept = again.reader().kept(Some(kv::Revision(12_802))).unwrap();
    assert!(matches!(kept, Err(Rejection::FutureRevision)));
}

/// Level 1 gives up what is replaced with each write. What a cluster that rises tells of as given up is all that it refuses.
#[test]
fn history_begins_where_level_1_gave_it_up() {
    let mut engines = Engines::open(Arc::new(Memory::new())).unwrap();
    let mut then = BTreeMap::new();
    let mut early = history(5, 300);
    let last = early.last().unwrap().0;
    let next = |n| LogId {
        index: last.index + n,
        ..last
    };
    early.push((next(1), raise(2)));
    for (id, change) in early {
        engines.apply(vec![(id, change)]).unwrap();
        let (revision, found) = engines.reader().query(&everything(None)).unwrap().unwrap();
        then.insert(revision.0, found);
    }
    let reader = engines.reader();
    let kv::Revision(begins) = reader.history().compacted;
    assert!((2..=reader.revision().0).contains(&begins), "{begins}");
    assert_history(&reader, &then, begins);
    let watched_from = |revision| {
        let all = kv::Keys::beginning_with(b"");
        let read = reader.changes(kv::Revision(revision), &all, portion(1));
        read.unwrap().is_ok()
    };
    assert!(watched_from(begins) && !watched_from(begins - 1));
    let compact = Command::Kv(kv::Command::Compact {
        revision: kv::Revision(begins),
    });
    let proposal = Proposal {
        request: None,
        commands: vec![compact],
    };
    let entry = Entry::stamped(proposal, Stamp::default());
    let change = Change::Command(entry.encode());
    let outcomes = engines.apply(vec![(next(2), change)]).unwrap();
    assert!(
        format!("{outcomes:?}").contains("Rejected(Compacted)"),
        "{outcomes:?}"
    );
}
