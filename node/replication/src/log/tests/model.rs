//! A plain model of a log, random histories, and the log compared with the model after restarts.

use std::collections::BTreeMap;

use super::super::errors::LogFailed;
use super::super::record::{Record, Vote};
use super::super::wal::Wal;
use super::kit::*;
use super::memory::Chance;
use crate::ids::LogId;

/// One call.
pub enum Step {
    Append(Vec<Record>),
    Vote(Vote),
    Truncate(Option<LogId>),
    Purge(LogId),
    Committed(LogId),
}

impl Step {
    /// Makes the call; what it waits for is in the future, which must be polled once to make it.
    pub async fn carry_out(self, wal: Wal) -> Result<(), LogFailed> {
        match self {
            Step::Append(records) => append(&wal, records).await,
            Step::Vote(vote) => wal.save_vote(vote).await,
            Step::Truncate(after) => wal.truncate_after(after).await,
            Step::Purge(upto) => wal.purge(upto).await,
            Step::Committed(committed) => {
                wal.save_committed(committed);
                Ok(())
            }
        }
    }
}

#[derive(Clone, Debug, Default)]
pub struct Model {
    pub vote: Option<Vote>,
    pub purged: Option<LogId>,
    pub entries: BTreeMap<u64, Record>,
    pub term: u64,
}

impl Model {
    pub fn last(&self) -> Option<LogId> {
        let last = self.entries.values().next_back();
        last.map(|record| record.id).or(self.purged)
    }

    fn next(&self) -> u64 {
        self.last().map_or(0, |last| last.index + 1)
    }

    /// The id of the last of the first entries, as many as chance says; `None` for none.
    fn any_first(&self, chance: &mut Chance) -> Option<LogId> {
        let count = usize::try_from(chance.below(self.entries.len() as u64 + 1)).unwrap();
        self.entries
            .values()
            .take(count)
            .next_back()
            .map(|record| record.id)
    }

    /// Draws a call and does to the model what it does to a log.
    pub fn step(&mut self, chance: &mut Chance) -> Step {
        match chance.below(20) {
            0..=11 => self.append(chance),
            12 | 13 => self.vote(chance),
            14 | 15 => {
                let after = self.any_first(chance).or(self.purged);
                self.entries
                    .retain(|index, _| after.is_some_and(|after| *index <= after.index));
                self.term += 1;
                Step::Truncate(after)
            }
            16 if chance.below(4) == 0 => {
                self.term += 1;
                self.purge(id(self.term, self.next() + chance.below(5)))
            }
            16 | 17 => match self.any_first(chance) {
                Some(upto) => self.purge(upto),
                None => self.vote(chance),
            },
            _ => Step::Committed(self.last().unwrap_or_default()),
        }
    }

    fn append(&mut self, chance: &mut Chance) -> Step {
        let indexes = self.next()..=self.next() + chance.below(4);
        let records: Vec<Record> = indexes
            .map(|index| {
                let byte = u8::try_from(chance.below(256)).unwrap();
                let size = usize::try_from(chance.below(120)).unwrap();
                entry_of(self.term, index, vec![byte; size].into())
            })
            .collect();
        self.entries.extend(
            records
                .iter()
                .map(|record| (record.id.index, record.clone())),
        );
        Step::Append(records)
    }

    fn vote(&mut self, chance: &mut Chance) -> Step {
        self.term += 1;
        let vote = Vote {
            term: self.term,
            node: chance.below(9),
            committed: chance.flip(),
        };
        self.vote = Some(vote);
        Step::Vote(vote)
    }

    fn purge(&mut self, upto: LogId) -> Step {
        self.entries.retain(|index, _| *index > upto.index);
        self.purged = Some(upto);
        Step::Purge(upto)
    }

    /// Whether a log says the same.
    pub fn is(&self, wal: &Wal, vote: Option<Vote>) -> bool {
        (self.vote, self.purged, self.last()) == (vote, wal.purged(), wal.last())
            && self.entries.values().eq(&entries(wal))
    }

    fn check(&self, wal: &Wal, what: &str) {
        assert_eq!(
            (wal.purged(), wal.last()),
            (self.purged, self.last()),
            "{what}"
        );
        assert_eq!(
            entries(wal),
            self.entries.values().cloned().collect::<Vec<_>>(),
            "{what}"
        );
        for (index, record) in &self.entries {
            assert_eq!(wal.id_at(*index), Some(record.id), "{what}");
            let read = wal.read(*index..index + 1, 0).unwrap();
            assert_eq!(read, std::slice::from_ref(record), "{what}");
        }
    }
}

#[tokio::test]
async fn any_history_reads_back_after_any_restart() {
    for seed in 0..30 {
        let mut chance = Chance(seed);
        let mut model = Model {
            term: 1,
            ..Model::default()
        };
        let mut folder = Folder::new();
        let (mut wal, _) = folder.open().await;
        for step in 0..150 {
            let what = format!("seed {seed}, step {step}");
            let mut call = Box::pin(model.step(&mut chance).carry_out(wal.clone()));
            if futures::poll!(&mut call).is_pending() && chance.flip() {
                call.await.unwrap();
            }
            model.check(&wal, &what);
            if chance.below(15) == 0 {
                // Everything queued before it is durable once a vote is.
                model
                    .vote(&mut chance)
                    .carry_out(wal.clone())
                    .await
                    .unwrap();
                if chance.flip() {
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
