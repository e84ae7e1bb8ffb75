//! Watchers of every kind, quick and slow, beside a history drawn from a seed: each is told of exactly what concerns it.

use std::sync::Arc;

use bytes::Bytes;
use node_engines::kv::{self, End, Keys, Revision};
use node_engines::{Change, ClusterId, Command, Engines, Entry, LogId, Proposal, Stamp, system};
use node_host::Host;
use node_storage::Memory;
use tokio::sync::watch;

use super::{Told, WatchId, Watcher, Watches, every_key};

const ALL: node_engines::Portion = node_engines::Portion {
    changes: usize::MAX,
    bytes: usize::MAX,
};

/// A small generator of numbers (xorshift), so that a run is a function of its seed.
struct Dice(u64);

impl Dice {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// A node's state, and what tells of its revisions.
struct Node {
    engines: Engines,
    revisions: watch::Sender<Revision>,
    index: u64,
}

impl Node {
    fn formed() -> Node {
        let engines = Engines::open(Arc::new(Memory::new())).unwrap();
        let mut node = Node {
            engines,
            revisions: watch::Sender::new(Revision(0)),
            index: 0,
        };
        node.apply(Change::Members {
            now: [1].into(),
            voters: [1].into(),
            blob: Bytes::new(),
        });
        let cluster_id = ClusterId([1; 16]);
        let genesis = system::Command::Genesis {
            cluster_id,
            voters: 1,
        };
        let raise = system::Command::Raise { feature_level: 2 };
        node.carry_out([genesis, raise].map(Command::System).to_vec());
        node
    }

    fn apply(&mut self, change: Change) {
        let id = LogId {
            term: 1,
            leader: 1,
            index: self.index,
        };
        self.index += 1;
        self.engines.apply(vec![(id, change)]).unwrap();
        self.revisions
            .send_replace(self.engines.reader().revision());
    }

    fn carry_out(&mut self, commands: Vec<Command>) {
        let proposal = Proposal {
            request: None,
            commands,
        };
        let entry = Entry::stamped(proposal, Stamp::default());
        self.apply(Change::Command(entry.encode()));
    }

    fn write(&mut self, dice: &mut Dice) {
        let step = match dice.below(4) {
            0 => kv::Step::Delete(keys(dice)),
            _ => kv::Step::Put(kv::Put {
                key: key(dice.below(20)),
                value: Some(Bytes::from(vec![b'v'; 1 + dice.below(2000) as usize])),
                lease: Some(kv::LeaseId::NONE),
            }),
        };
        self.carry_out(vec![Command::Kv(kv::Command::Step(step))]);
    }
}

fn key(number: u64) -> Bytes {
    Bytes::from(format!("k{number:02}"))
}

fn keys(dice: &mut Dice) -> Keys {
    let from = dice.below(20);
    let end = match dice.below(3) {
        0 => End::Before(key(from + 1 + dice.below(5))),
        1 => End::Open,
        _ => End::Same,
    };
    Keys {
        from: key(from),
        end,
    }
}

/// A watch, and what it was told.
struct Followed {
    watch: WatchId,
    keys: Keys,
    from: Revision,
    told: Vec<(Revision, Bytes, bool)>,
    up_to: Revision,
}

async fn follow(watcher: &mut Watcher, followed: &mut [Followed]) -> bool {
    let Some(told) = watcher.next().await.unwrap() else {
        return false;
    };
    let Told::Changes {
        watch,
        changes,
        up_to,
    } = told
    else {
        panic!("nothing was compacted: {told:?}")
    };
    let followed = followed.iter_mut().find(|one| one.watch == watch).unwrap();
    assert!(up_to >= followed.up_to, "it went back");
    followed.up_to = up_to;
    let change = |change: &Arc<node_engines::KeyChange>| {
        (change.revision(), change.now.key.clone(), change.deleted)
    };
    followed.told.extend(changes.iter().map(change));
    true
}

/// Holds what a watch was told against the history.
fn compare(one: &Followed, all: &[node_engines::KeyChange], seed: u64) {
    let concerns = |change: &&node_engines::KeyChange| {
        change.revision() >= one.from && one.keys.contains(&change.now.key)
    };
    let expected: Vec<_> = all
        .iter()
        .filter(concerns)
        .map(|change| (change.revision(), change.now.key.clone(), change.deleted))
        .collect();
    let pairs = one.told.iter().zip(&expected);
    let first = pairs
        .take_while(|(told, expected)| told == expected)
        .count();
    assert_eq!(
        (one.told.get(first), one.told.len()),
        (expected.get(first), expected.len()),
        "seed {seed}, {:?} from {}: change {first}",
        one.keys,
        one.from
    );
}

async fn run(seed: u64) {
    let mut dice = Dice(seed * 7919 + 1);
    let mut node = Node::formed();
    let reader = node.engines.reader();
    let watches = Watches::new(Host::real(), reader.clone(), node.revisions.subscribe());
    let publishing = watches.clone();
    let publisher = tokio::spawn(async move { publishing.publish().await.unwrap() });
    for _ in 0..dice.below(50) {
        node.write(&mut dice);
    }
    let mut watchers: Vec<(Watcher, Vec<Followed>)> =
        (0..3).map(|_| (watches.watcher(), Vec::new())).collect();
    for number in 0..600 {
        node.write(&mut dice);
        let (watcher, followed) = &mut watchers[dice.below(3) as usize];
        match dice.below(20) {
            0 => {
                let (watch, keys) = (WatchId(number), keys(&mut dice));
                let now = reader.revision();
                let from = match dice.below(3) {
                    0 => None,
                    1 => Some(Revision(1 + dice.below(now.0))),
                    _ => Some(Revision(now.0 + dice.below(5))),
                };
                watcher.watch(watch, keys.clone(), from).await.unwrap();
                followed.push(Followed {
                    watch,
                    keys,
                    from: from.unwrap_or(now.next()),
                    told: Vec::new(),
                    up_to: Revision(0),
                });
            }
            1 if !followed.is_empty() => {
                let gone = followed.swap_remove(dice.below(followed.len() as u64) as usize);
                watcher.unwatch(gone.watch);
            }
            2..=6 => tokio::task::yield_now().await,
            7..=9 => drop(follow(watcher, followed).await),
            _ => {}
        }
    }
    let (all, _) = reader
        .changes(Revision(1), &every_key(), ALL)
        .unwrap()
        .unwrap();
    for (watcher, followed) in &mut watchers {
        watcher.up_to_now().await;
        while follow(watcher, followed).await {}
        assert_eq!(watcher.in_step(), Some(reader.revision()));
        for one in followed {
            compare(one, &all, seed);
        }
    }
    publisher.abort();
}

#[tokio::test]
async fn each_watch_is_told_of_what_concerns_it_once_and_in_order() {
    for seed in 1..40 {
        run(seed).await;
    }
}

/// One that nothing happened to is not woken; one that is not read costs a mark.
#[tokio::test]
async fn a_watcher_hears_of_nothing_that_does_not_concern_it() {
    let mut node = Node::formed();
    let watches = Watches::new(
        Host::real(),
        node.engines.reader(),
        node.revisions.subscribe(),
    );
    let publishing = watches.clone();
    let publisher = tokio::spawn(async move { publishing.publish().await.unwrap() });
    let mut watcher = watches.watcher();
    let own = Keys::one(Bytes::from_static(b"own"));
    watcher.watch(WatchId(1), own, None).await.unwrap();
    let mut dice = Dice(9);
    for _ in 0..100 {
        node.write(&mut dice);
    }
    watcher.up_to_now().await;
    assert_eq!(watcher.in_step(), Some(node.engines.reader().revision()));
    assert!(watcher.next().await.unwrap().is_none());
    publisher.abort();
}
