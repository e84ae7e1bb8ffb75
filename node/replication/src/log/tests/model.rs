//! Many random histories against a plain model, with restarts in between.

use std::collections::BTreeMap;

use super::super::record::{Record, Vote};
use super::super::wal::Wal;
use super::kit::*;
use crate::ids::LogId;

/// A small generator: the same seed gives the same history.
struct Chance(u64);

impl Chance {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % bound
    }
}

#[derive(Default)]
struct Model {
    vote: Option<Vote>,
    purged: Option<LogId>,
    entries: BTreeMap<u64, Record>,
    term: u64,
}

impl Model {
    fn last(&self) -> Option<LogId> {
        self.entries.values().next_back().map(|record| record.id).or(self.purged)
    }

    fn next(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    async fn step(&mut self, chance: &mut Chance, wal: &Wal) {
        match chance.below(10) {
            0..=5 => {
                let records: Vec<Record> = (self.next()..=self.next() + chance.below(4))
                    .map(|index| {
                        let byte = u8::try_from(chance.below(256)).unwrap();
                        let size = usize::try_from(chance.below(120)).unwrap();
                        entry_of(self.term, index, vec![byte; size].into())
                    })
                    .collect();
                self.entries.extend(records.iter().map(|record| (record.id.index, record.clone())));
                let told = start_append(wal, records);
                if chance.below(2) == 0 {
                    told.await.unwrap().unwrap();
                }
            }
            6 => {
                self.term += 1;
                let vote = Vote { term: self.term, node: chance.below(9), committed: chance.below(2) == 0 };
                self.vote = Some(vote);
                wal.save_vote(vote).await.unwrap();
            }
            7 => {
                let count = self.entries.len() as u64;
                let kept = usize::try_from(chance.below(count + 1)).unwrap();
                let after = self.entries.values().take(kept).map(|record| record.id).next_back();
                let after = after.or(self.purged);
                self.entries.retain(|index, _| after.is_some_and(|after| *index <= after.index));
                self.term += 1;
                wal.truncate_after(after).await.unwrap();
            }
            8 if chance.below(8) == 0 => {
                self.term += 1;
                let upto = id(self.term, self.next() + chance.below(5));
                self.entries.clear();
                self.purged = Some(upto);
                wal.purge(upto).await.unwrap();
            }
            8 => {
                let count = self.entries.len() as u64;
                let gone = usize::try_from(chance.below(count + 1)).unwrap();
                if let Some(upto) = self.entries.values().take(gone).map(|r| r.id).next_back() {
                    self.entries.retain(|index, _| *index > upto.index);
                    self.purged = Some(upto);
                    wal.purge(upto).await.unwrap();
                }
            }
            _ => wal.save_committed(self.last().unwrap_or_default()),
        }
    }

    fn check(&self, wal: &Wal, what: &str) {
        assert_eq!((wal.purged(), wal.last()), (self.purged, self.last()), "{what}");
        assert_eq!(entries(wal), self.entries.values().cloned().collect::<Vec<_>>(), "{what}");
        for (index, record) in &self.entries {
            assert_eq!(wal.id_at(*index), Some(record.id), "{what}");
            assert_eq!(wal.read(*index..index + 1, 0).unwrap(), [record.clone()], "{what}");
        }
    }
}

#[tokio::test]
async fn any_history_reads_back_after_any_restart() {
    for seed in 0..30 {
        let mut chance = Chance(seed);
        let mut model = Model { term: 1, ..Model::default() };
        let mut folder = Folder::new();
        let (mut wal, _) = folder.open().await;
        for step in 0..150 {
            let what = format!("seed {seed}, step {step}");
            model.step(&mut chance, &wal).await;
            model.check(&wal, &what);
            if chance.below(15) == 0 {
                // Everything queued before it is durable once a vote is.
                let vote = Vote { term: model.term, node: 1, committed: false };
                wal.save_vote(vote).await.unwrap();
                model.vote = Some(vote);
                if chance.below(2) == 0 {
                    wal.close().await.unwrap();
                }
                folder = folder.copy();
                let (again, recovered) = folder.open().await;
                wal = again;
                assert_eq!(recovered.vote, model.vote, "{what}");
                assert!(!recovered.torn_tail_cut, "{what}");
                model.check(&wal, &what);
            }
        }
    }
}
