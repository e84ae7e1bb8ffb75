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

/// `entries` committed entries, from the forming of a cluster of one on, that stays at feature level 1.
pub fn history(seed: u64, entries: u64) -> Vec<(LogId, Change)> {
    history_at_level(1, seed, entries)
}

/// `entries` committed entries, from the forming of a cluster of one on, that reaches a feature level with its third.
pub fn history_at_level(level: u32, seed: u64, entries: u64) -> Vec<(LogId, Change)> {
    let mut dice = Dice(seed);
    let mut millis = 1_000_000;
    let mut members = BTreeSet::from([1]);
    (0..entries)
        .map(|index| {
            let change = match (index, dice.below(100)) {
                (0, _) => membership(&members),
                (1, _) => genesis(),
                (2, _) if level > 1 => raise(level),
                (_, 0..3) => {
                    members.insert(100 + index);
                    members.retain(|id| *id == 1 || !(id + index).is_multiple_of(3));
                    membership(&members)
                }
                (_, 3..6) => Change::Blank,
                (_, 6..10) if level > 1 => end_alarms(),
                _ => command(level, &mut dice, &mut millis),
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
    unstamped(vec![Command::System(genesis)])
}

/// The cluster reaches a feature level.
pub fn raise(feature_level: u32) -> Change {
    unstamped(vec![Command::System(system::Command::Raise {
        feature_level,
    })])
}

fn unstamped(commands: Vec<Command>) -> Change {
    let proposal = Proposal {
        request: None,
        commands,
    };
    Change::Command(Entry::stamped(proposal, Stamp::default()).encode())
}

fn command(level: u32, dice: &mut Dice, millis: &mut u64) -> Change {
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
    let commands = (0..1 + dice.below(4))
        .map(|_| match level > 1 && dice.below(2) == 0 {
            true => Command::Kv(of_level_2(dice)),
            false => one(dice),
        })
        .collect();
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

fn of_level_2(dice: &mut Dice) -> kv::Command {
    let lease = kv::LeaseId(1 + i64::try_from(dice.below(6)).unwrap());
    match dice.below(20) {
        0 => kv::Command::Compact {
            revision: kv::Revision(1 + dice.below(500)),
        },
        1..=2 => kv::Command::Grant {
            lease,
            ttl_seconds: 60,
        },
        3 => kv::Command::Revoke { lease },
        4 => kv::Command::Sweep,
        5 if dice.below(2) == 0 => kv::Command::Activate(alarm(dice)),
        _ => kv::Command::Step(step(dice, 2)),
    }
}

fn alarm(dice: &mut Dice) -> kv::Alarm {
    let kind = match dice.below(4) {
        0 => kv::AlarmKind::Corrupt,
        _ => kv::AlarmKind::NoSpace,
    };
    let member = 1 + dice.below(2);
    kv::Alarm { kind, member }
}

/// Ends every alarm: while one is active little else happens.
fn end_alarms() -> Change {
    let alarm = |kind| move |member| kv::Alarm { kind, member };
    let no_space = [1, 2].map(alarm(kv::AlarmKind::NoSpace));
    let corrupt = [1, 2].map(alarm(kv::AlarmKind::Corrupt));
    let alarms = no_space.into_iter().chain(corrupt);
    let end = |alarm| Command::Kv(kv::Command::Deactivate(alarm));
    unstamped(alarms.map(end).collect())
}

fn step(dice: &mut Dice, depth: u32) -> kv::Step {
    let of = |dice: &mut Dice| Bytes::from(format!("key-{}", dice.below(100)));
    match dice.below(10) {
        0 => kv::Step::Range(keys(dice), Some(kv::Revision(dice.below(500)))),
        1 => kv::Step::Range(keys(dice), None),
        2..=3 => kv::Step::Delete(keys(dice)),
        4..=6 if depth > 0 => {
            let compare = (0..dice.below(3)).map(|_| compare(dice)).collect();
            let success = (0..dice.below(4)).map(|_| step(dice, depth - 1)).collect();
            let failure = (0..dice.below(4)).map(|_| step(dice, depth - 1)).collect();
            kv::Step::Txn(Box::new(kv::Txn {
                compare,
                success,
                failure,
            }))
        }
        _ => {
            let len = usize::try_from(dice.below(1200)).unwrap();
            let byte = u8::try_from(dice.below(256)).unwrap();
            let lease = match dice.below(4) {
                0 => None,
                1 => Some(kv::LeaseId(1 + i64::try_from(dice.below(6)).unwrap())),
                _ => Some(kv::LeaseId::NONE),
            };
            kv::Step::Put(kv::Put {
                key: of(dice),
                value: (dice.below(5) > 0).then(|| vec![byte; len].into()),
                lease,
            })
        }
    }
}

fn keys(dice: &mut Dice) -> kv::Keys {
    let from = dice.below(100);
    let end = match dice.below(3) {
        0 => kv::End::Before(Bytes::from(format!("key-{}", from + dice.below(5)))),
        1 if dice.below(40) == 0 => kv::End::Open,
        _ => kv::End::Same,
    };
    kv::Keys {
        from: Bytes::from(format!("key-{from}")),
        end,
    }
}

fn compare(dice: &mut Dice) -> kv::Compare {
    let relations = [
        kv::Relation::Equal,
        kv::Relation::Greater,
        kv::Relation::Less,
        kv::Relation::NotEqual,
    ];
    let number = i64::try_from(dice.below(3)).unwrap();
    kv::Compare {
        keys: keys(dice),
        relation: relations[usize::try_from(dice.below(4)).unwrap()],
        target: match dice.below(5) {
            0 => kv::Target::Version(number),
            1 => kv::Target::Created(number * 100),
            2 => kv::Target::Modified(number * 100),
            3 => kv::Target::Lease(number),
            _ => kv::Target::Value(Bytes::new()),
        },
    }
}
