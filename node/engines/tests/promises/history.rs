//! Histories drawn from a seed: entries of every kind, good and bad.

use std::collections::BTreeSet;

use bytes::Bytes;
use node_engines::{
    Change, ClusterId, Command, Entry, LogId, Proposal, REQUEST_MILLIS_KEPT, Stamp, kv, system,
};

/// A small generator of numbers (splitmix64), so that a history is a function of its seed.
pub struct Dice(pub u64);

impl Dice {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// A number below `bound`.
    pub fn below(&mut self, bound: u64) -> u64 {
        self.next() % bound
    }
}

/// `entries` committed entries, from the forming of a cluster of one on.
pub fn history(seed: u64, entries: u64) -> Vec<(LogId, Change)> {
    let mut dice = Dice(seed);
    let mut millis = 1_000_000;
    let mut members = BTreeSet::from([1]);
    (0..entries)
        .map(|index| {
            let change = match (index, dice.below(100)) {
                (0, _) => membership(&members),
                (1, _) => genesis(),
                (_, 0..3) => {
                    members.insert(100 + index);
                    members.retain(|id| *id == 1 || !(id + index).is_multiple_of(3));
                    membership(&members)
                }
                (_, 3..6) => Change::Blank,
                _ => command(&mut dice, &mut millis),
            };
            (
                LogId {
                    term: 1 + index / 100,
                    leader: 1,
                    index,
                },
                change,
            )
        })
        .collect()
}

fn membership(members: &BTreeSet<u64>) -> Change {
    let blob = Bytes::from(format!("{members:?}"));
    Change::Members {
        now: members.clone(),
        voters: BTreeSet::from([1]),
        blob,
    }
}

fn genesis() -> Change {
    let genesis = system::Command::Genesis {
        cluster_id: ClusterId([7; 16]),
        voters: 1,
    };
    let commands = vec![Command::System(genesis)];
    let entry = Entry::stamped(
        Proposal {
            request: None,
            commands,
        },
        Stamp::default(),
    );
    Change::Command(entry.encode())
}

fn command(dice: &mut Dice, millis: &mut u64) -> Change {
    // Time mostly creeps, sometimes leaps past what requests are remembered for, sometimes goes back.
    *millis = match dice.below(50) {
        0 => *millis + REQUEST_MILLIS_KEPT,
        1 => *millis - 5_000,
        _ => *millis + dice.below(2_000),
    };
    let stamp = Stamp {
        millis: *millis,
        logical: 0,
        seed: dice.next(),
    };
    let request = match dice.below(3) {
        0 => Some(format!("r{}", dice.below(200)).parse().unwrap()),
        _ => None,
    };
    let commands = (0..1 + dice.below(4)).map(|_| one(dice)).collect();
    Change::Command(Entry::stamped(Proposal { request, commands }, stamp).encode())
}

fn one(dice: &mut Dice) -> Command {
    let key = match dice.below(50) {
        0 => Bytes::new(),
        _ => Bytes::from(format!("key-{}", dice.below(100))),
    };
    match dice.below(10) {
        0 => Command::System(system::Command::Noop),
        1..=3 => Command::Kv(kv::Command::Delete { key }),
        _ => {
            let byte = u8::try_from(dice.below(256)).unwrap();
            let value = vec![byte; usize::try_from(dice.below(300)).unwrap()];
            Command::Kv(kv::Command::Put {
                key,
                value: value.into(),
            })
        }
    }
}
