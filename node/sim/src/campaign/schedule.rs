//! When what goes wrong: drawn from the seed before anything runs, so that parts of it can be left out.

use std::fmt;
use std::time::Duration;

use super::fault::{Fault, Who};
use super::run::{MACHINES, SPAN};
use crate::host::Chance;

/// The longest time between two events.
const GAP_MS_MAX: u64 = 1600;

/// One event of a schedule.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Event {
    /// Its number in the whole schedule.
    pub number: usize,
    /// The age of the world at which it happens, after the cluster was formed.
    pub at: Duration,
    /// To whom.
    pub who: Who,
    /// What.
    pub fault: Fault,
}

impl fmt::Display for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Event {
            number,
            at,
            who,
            fault,
        } = self;
        write!(f, "{number:>3}  {:>6} ms  {who}: {fault:?}", at.as_millis())
    }
}

/// Events in order of time.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Schedule(pub Vec<Event>);

impl Schedule {
    /// The schedule of a seed.
    pub fn draw(seed: u64) -> Schedule {
        // Another stream than the world's: a schedule with events left out must leave the rest as it was.
        let chance = Chance::new(seed ^ 0x5c3d_a1e5);
        let temper = Temper::draw(&chance);
        let mut events = Vec::new();
        let mut at = Duration::ZERO;
        loop {
            at += Duration::from_millis(50 + chance.below(GAP_MS_MAX));
            if at >= SPAN {
                return Schedule(events);
            }
            let who = match chance.below(3) {
                0 => Who::Leader,
                _ => Who::Machine(chance.below(MACHINES as u64) as usize),
            };
            let fault = temper.draw_fault(&chance);
            events.push(Event {
                number: events.len(),
                at,
                who,
                fault,
            });
        }
    }

    /// Only the events of these numbers.
    #[must_use]
    pub fn only(&self, numbers: &[usize]) -> Schedule {
        let kept = self
            .0
            .iter()
            .filter(|event| numbers.contains(&event.number));
        Schedule(kept.copied().collect())
    }

    /// The numbers of its events.
    pub fn numbers(&self) -> Vec<usize> {
        self.0.iter().map(|event| event.number).collect()
    }
}

/// Draws the details of one kind of fault.
type Draw = fn(&Chance) -> Fault;

/// How often everything is healed, against the kinds of faults.
const HEAL: (u64, Draw) = (30, |_| Fault::Heal);
/// Every kind of fault, and how often it comes where a seed is not fond of anything.
const KINDS: [(u64, Draw); 23] = [
    (5, |_| Fault::PowerLoss),
    (8, |chance| Fault::PowerLossAfter(chance.below(30))),
    (5, |_| Fault::Kill),
    (1, |_| Fault::Blackout),
    (4, |chance| Fault::StandStill(millis(chance, 100, 6000))),
    (4, |_| Fault::ForgetState),
    (2, |_| Fault::LoseDisk),
    (5, |_| Fault::FlipBit),
    (3, |_| Fault::FailSync),
    (2, |chance| Fault::SlowDisk(millis(chance, 20, 2000))),
    (1, |_| Fault::FillDisk),
    (4, |_| Fault::Isolate),
    (4, |chance| {
        Fault::Silence(chance.below(MACHINES as u64) as usize)
    }),
    (4, |_| Fault::Hush),
    (3, |_| Fault::Reset),
    (2, |chance| Fault::SlowNetwork(millis(chance, 10, 400))),
    (2, |chance| {
        Fault::SetClock(chance.below(60_000) as i64 - 30_000)
    }),
    (2, |chance| Fault::Pace(850 + chance.below(300))),
    (1, |chance| {
        Fault::ApiServerAway(millis(chance, 1000, 10_000))
    }),
    (4, |_| Fault::HandOver),
    (4, |_| Fault::Snapshot),
    (3, |_| Fault::Grow),
    (3, |_| Fault::Shrink),
];

fn millis(chance: &Chance, least: u64, most: u64) -> Duration {
    Duration::from_millis(least + chance.below(most - least))
}

/// What a seed is fond of: some kinds come often in it, and some never.
struct Temper(Vec<(u64, Draw)>);

impl Temper {
    fn draw(chance: &Chance) -> Temper {
        let weighed = KINDS.map(|(weight, kind)| {
            let fond = match chance.below(4) {
                0 => 0,
                3 => 4,
                _ => 1,
            };
            (weight * fond, kind)
        });
        Temper(weighed.into_iter().chain([HEAL]).collect())
    }

    fn draw_fault(&self, chance: &Chance) -> Fault {
        let sum: u64 = self.0.iter().map(|(weight, _)| weight).sum();
        let mut left = chance.below(sum);
        let drawn = self.0.iter().find(|(weight, _)| {
            let here = left < *weight;
            left = left.saturating_sub(*weight);
            here
        });
        drawn.map_or(Fault::Heal, |(_, draw)| draw(chance))
    }
}
