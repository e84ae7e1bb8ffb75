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

/// What a seed is fond of: some faults come often in it, and some never.
struct Temper(Vec<(u64, Kind)>);

/// A kind of fault, before its details are drawn.
#[derive(Clone, Copy)]
enum Kind {
    PowerLoss,
    PowerLossAfter,
    Kill,
    Blackout,
    StandStill,
    ForgetState,
    LoseDisk,
    FlipBit,
    FailSync,
    SlowDisk,
    FillDisk,
    Isolate,
    Silence,
    Hush,
    Reset,
    SlowNetwork,
    SetClock,
    Pace,
    Heal,
    HandOver,
    Snapshot,
    Grow,
    Shrink,
}

/// Every kind, and how often it comes where a seed is not fond of anything.
const KINDS: [(u64, Kind); 23] = [
    (5, Kind::PowerLoss),
    (8, Kind::PowerLossAfter),
    (5, Kind::Kill),
    (1, Kind::Blackout),
    (4, Kind::StandStill),
    (4, Kind::ForgetState),
    (2, Kind::LoseDisk),
    (5, Kind::FlipBit),
    (3, Kind::FailSync),
    (2, Kind::SlowDisk),
    (1, Kind::FillDisk),
    (4, Kind::Isolate),
    (4, Kind::Silence),
    (4, Kind::Hush),
    (3, Kind::Reset),
    (2, Kind::SlowNetwork),
    (2, Kind::SetClock),
    (2, Kind::Pace),
    (30, Kind::Heal),
    (4, Kind::HandOver),
    (4, Kind::Snapshot),
    (3, Kind::Grow),
    (3, Kind::Shrink),
];

impl Temper {
    fn draw(chance: &Chance) -> Temper {
        let weighed = KINDS.map(|(weight, kind)| match kind {
            Kind::Heal => (weight, kind),
            _ => {
                let fond = match chance.below(4) {
                    0 => 0,
                    3 => 4,
                    _ => 1,
                };
                (weight * fond, kind)
            }
        });
        Temper(weighed.to_vec())
    }

    fn draw_fault(&self, chance: &Chance) -> Fault {
        let sum: u64 = self.0.iter().map(|(weight, _)| weight).sum();
        let mut left = chance.below(sum);
        let mut drawn = Kind::Heal;
        for (weight, kind) in &self.0 {
            drawn = *kind;
            if left < *weight {
                break;
            }
            left -= weight;
        }
        detail(drawn, chance)
    }
}

fn detail(kind: Kind, chance: &Chance) -> Fault {
    let millis = |least: u64, most: u64| Duration::from_millis(least + chance.below(most - least));
    match kind {
        Kind::PowerLoss => Fault::PowerLoss,
        Kind::PowerLossAfter => Fault::PowerLossAfter(chance.below(30)),
        Kind::Kill => Fault::Kill,
        Kind::Blackout => Fault::Blackout,
        Kind::StandStill => Fault::StandStill(millis(100, 6000)),
        Kind::ForgetState => Fault::ForgetState,
        Kind::LoseDisk => Fault::LoseDisk,
        Kind::FlipBit => Fault::FlipBit,
        Kind::FailSync => Fault::FailSync,
        Kind::SlowDisk => Fault::SlowDisk(millis(20, 2000)),
        Kind::FillDisk => Fault::FillDisk,
        Kind::Isolate => Fault::Isolate,
        Kind::Silence => Fault::Silence(chance.below(MACHINES as u64) as usize),
        Kind::Hush => Fault::Hush,
        Kind::Reset => Fault::Reset,
        Kind::SlowNetwork => Fault::SlowNetwork(millis(10, 400)),
        Kind::SetClock => Fault::SetClock(chance.below(60_000) as i64 - 30_000),
        Kind::Pace => Fault::Pace(850 + chance.below(300)),
        Kind::Heal => Fault::Heal,
        Kind::HandOver => Fault::HandOver,
        Kind::Snapshot => Fault::Snapshot,
        Kind::Grow => Fault::Grow,
        Kind::Shrink => Fault::Shrink,
    }
}
