//! Power losses at random moments of random histories, also while the log is being opened again: what comes back is
//! what some first part of the calls made of the log, and that part has every call that was reported durable.

use std::collections::VecDeque;
use std::path::Path;
use std::task::Poll;

use futures::future::BoxFuture;

use super::super::errors::LogFailed;
use super::super::record::Vote;
use super::super::wal::Wal;
use super::kit::*;
use super::memory::{Chance, Memory};
use super::model::Model;

const DIR: &str = "/data/log";
/// Histories, and how many more there may be until one saw a torn tail: on a busy machine the log's thread writes seldom.
const SEEDS: u64 = 60;
const SEEDS_MAX: u64 = 20 * SEEDS;

/// A history since the last start.
struct History {
    /// The model after each call, the first before any.
    states: Vec<Model>,
    /// Calls that have not been reported durable, and how many states there were with them.
    pending: VecDeque<(usize, BoxFuture<'static, Result<(), LogFailed>>)>,
    /// So many states after the first are durable.
    durable: usize,
}

impl History {
    fn new(model: Model) -> History {
        History {
            states: vec![model],
            pending: VecDeque::new(),
            durable: 0,
        }
    }

    async fn call(&mut self, chance: &mut Chance, wal: &Wal) {
        let mut model = self.states.last().unwrap().clone();
        let call = model.step(chance).carry_out(wal.clone());
        let mut call: BoxFuture<_> = Box::pin(call);
        // A call that is done at once (a purge, a mark) promises nothing about the disk.
        if futures::poll!(&mut call).is_pending() {
            self.pending.push_back((self.states.len(), call));
        }
        self.states.push(model);
    }

    /// Hears of what is durable by now; of at least `some` calls more if so many are pending.
    async fn hear(&mut self, mut some: u64) {
        while let Some((count, call)) = self.pending.front_mut() {
            let outcome = if some > 0 {
                some -= 1;
                call.await
            } else {
                match futures::poll!(call) {
                    Poll::Ready(outcome) => outcome,
                    Poll::Pending => break,
                }
            };
            if outcome.is_ok() {
                self.durable = *count;
            }
            self.pending.pop_front();
        }
    }

    /// The last state that the log could have come back to.
    fn find(&self, wal: &Wal, vote: Option<Vote>) -> Option<usize> {
        self.states.iter().rposition(|state| state.is(wal, vote))
    }
}

#[tokio::test]
async fn no_power_loss_takes_what_was_reported_durable() {
    let mut torn = 0;
    let mut behind = 0;
    for seed in 0..SEEDS_MAX {
        if seed >= SEEDS && torn > 0 && behind > 0 {
            return;
        }
        let mut chance = Chance(seed);
        let mut disk = Memory::default();
        let mut history = History::new(Model::default());
        for start in 0..12 {
            let what = format!("seed {seed}, start {start}");
            while chance.below(3) == 0 {
                disk.die_after(usize::try_from(chance.below(16)).unwrap());
                drop(Wal::open(&disk.host(), Path::new(DIR), SMALL).await);
                disk = disk.power_loss(&mut chance);
            }
            let (wal, recovered) = Wal::open(&disk.host(), Path::new(DIR), SMALL)
                .await
                .unwrap();
            torn += u32::from(recovered.torn_tail_cut);

            let found = history.find(&wal, recovered.vote);
            let found = found.unwrap_or_else(|| panic!("{what}: {recovered:?} was never so"));
            assert!(
                found >= history.durable,
                "{what}: {found} of {}",
                history.durable
            );
            behind += u32::from(found + 1 < history.states.len());
            let term = history.states.last().unwrap().term + 1;
            history = History::new(Model {
                term,
                ..history.states.swap_remove(found)
            });

            // Half of the time the disk goes first: then a batch is written and not synced.
            if chance.flip() {
                disk.die_after(usize::try_from(chance.below(40)).unwrap());
            }
            for _ in 0..chance.below(40) {
                history.call(&mut chance, &wal).await;
                let some = chance.below(8).saturating_sub(5);
                history.hear(some).await;
            }
            // First what is known to be durable, then the loss.
            history.hear(0).await;
            disk = disk.power_loss(&mut chance);
        }
    }
    panic!("{torn} torn, {behind} behind: the test must see both");
}
