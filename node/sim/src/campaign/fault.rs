//! What can go wrong, and how it is done to a world.

use std::fmt;
use std::time::Duration;

use super::hands::Hands;
use crate::World;

/// To whom it happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Who {
    /// The machine of this number.
    Machine(usize),
    /// The machine that leads by then.
    Leader,
}

/// Something that goes wrong, or that an administrator asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// The power goes.
    PowerLoss,
    /// The power goes after so many more writes and syncs of the disk.
    PowerLossAfter(u64),
    /// The process is killed.
    Kill,
    /// All machines lose their power at once.
    Blackout,
    /// The process stands still; its clock moves on.
    StandStill(Duration),
    /// The power goes, and what the state had not persisted is lost.
    ForgetState,
    /// The disk is replaced by an empty one.
    LoseDisk,
    /// The power goes, and a bit of the log turns over.
    FlipBit,
    /// The next sync of the disk fails.
    FailSync,
    /// Each sync takes longer.
    SlowDisk(Duration),
    /// The disk is nearly full.
    FillDisk,
    /// No connection to anybody; both ends are told.
    Isolate,
    /// Nothing from this machine reaches that one; nobody is told.
    Silence(usize),
    /// Nothing from or to this machine arrives; nobody is told.
    Hush,
    /// All connections break.
    Reset,
    /// All bytes take longer.
    SlowNetwork(Duration),
    /// The time of day is set, by milliseconds.
    SetClock(i64),
    /// Time passes at so many thousandths of the usual.
    Pace(u64),
    /// No agent reaches the API server.
    ApiServerAway(Duration),
    /// Everything that is wrong with network, disk and clock is right again.
    Heal,
    /// Leadership is to go to anybody else.
    HandOver,
    /// A snapshot is to be built.
    Snapshot,
    /// One voter more is wanted.
    Grow,
    /// One voter fewer is wanted.
    Shrink,
}

impl Fault {
    /// Does it to the world.
    pub fn strike(self, who: Who, world: &mut World, hands: &mut Hands) {
        let n = match who {
            Who::Machine(n) => n,
            Who::Leader => world.leader().unwrap_or_default(),
        };
        let others = (0..world.size()).filter(|other| *other != n);
        match self {
            Fault::PowerLoss => world.crash(n),
            Fault::PowerLossAfter(operations) if world.is_running(n) => {
                world.crash_after(n, operations);
            }
            Fault::PowerLossAfter(_) => {}
            Fault::Kill => world.kill(n),
            Fault::Blackout => (0..world.size()).for_each(|n| world.crash(n)),
            Fault::StandStill(span) => world.stand_still(n, span),
            Fault::ForgetState => world.crash_hard(n),
            Fault::LoseDisk if hands.may_lose(n, world) => world.lose_disk(n),
            Fault::FlipBit if hands.may_lose(n, world) => {
                world.flip_a_bit(n);
                hands.expect_refusal(n);
            }
            Fault::LoseDisk | Fault::FlipBit => {}
            Fault::FailSync => world.fail_next_sync(n),
            Fault::SlowDisk(by) => world.slow_disk(n, by),
            Fault::FillDisk => world.leave(n, 1 << 20),
            Fault::Isolate => world.isolate(n),
            Fault::Silence(to) => world.silence(n, to),
            Fault::Hush => others.for_each(|other| {
                world.silence(n, other);
                world.silence(other, n);
            }),
            Fault::Reset => world.reset(n),
            Fault::SlowNetwork(by) => world.slow_network(n, by),
            Fault::SetClock(millis) => world.jump(n, millis),
            Fault::Pace(thousandths) => world.set_pace(n, thousandths),
            Fault::ApiServerAway(span) => hands.cut_off_agents(world.age() + span),
            Fault::Heal => (0..world.size()).for_each(|n| world.make_whole(n)),
            Fault::HandOver => hands.hand_over(world),
            Fault::Snapshot => hands.snapshot(n, world),
            Fault::Grow => hands.grow(n),
            Fault::Shrink => hands.shrink(n),
        }
    }
}

impl fmt::Display for Who {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Who::Machine(n) => write!(f, "n{n}"),
            Who::Leader => write!(f, "the leader"),
        }
    }
}
