//! One run: formed, disturbed, left in peace, and looked over.

use std::panic::catch_unwind;
use std::time::Duration;

use super::Case;
use super::coverage::{Counting, Coverage};
use super::hands::Hands;
use super::peace;
use crate::clients::{Clients, Load};
use crate::etcd::{self, Judged};
use crate::invariants::{self, Invariant, Sight};
use crate::{Trace, World};

/// Machines of a world.
pub const MACHINES: usize = 5;
/// Those whose nodes vote at first, and the fewest that ever do.
pub const VOTERS: usize = 3;
/// How long things go wrong.
pub const SPAN: Duration = Duration::from_secs(60);

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Broken {
    /// Which.
    pub promise: String,
    /// What was seen.
    pub seen: String,
}

impl Broken {
    /// The breach of a promise.
    pub fn new(promise: impl Into<String>, seen: impl Into<String>) -> Broken {
        Broken {
            promise: promise.into(),
            seen: seen.into(),
        }
    }
}

/// What became of a run.
pub struct Run {
    /// The first promise that was broken, if one was.
    pub verdict: Result<(), Broken>,
    /// What happened.
    pub coverage: Coverage,
    /// All of it, line by line.
    pub trace: Trace,
}

/// A world with all who look at it and have a hand in it.
pub struct Stage {
    /// The world.
    pub world: World,
    /// Its clients.
    pub clients: Clients,
    /// Its clients of etcd's API.
    pub etcd: etcd::Clients,
    /// Those who watch.
    pub watchers: etcd::Watchers,
    /// What its history says.
    pub record: etcd::Record,
    /// Whoever runs the cluster.
    pub hands: Hands,
    invariants: Vec<Box<dyn Invariant>>,
    counting: Counting,
}

impl Stage {
    /// Everything moves on by one step.
    pub fn step(&mut self) -> Result<(), Broken> {
        self.world.step();
        self.record.look(&self.world);
        self.clients.step(&self.world);
        self.etcd.step(&self.world, &self.record);
        self.watchers.step(&self.world, &self.record);
        self.counting.look(&self.world);
        let sight = Sight {
            world: &self.world,
            history: self.clients.history(),
        };
        for invariant in &mut self.invariants {
            let looked = invariant.look(&sight);
            looked.map_err(|seen| Broken::new(invariant.name(), seen))?;
        }
        let kept = self.hands.step(&mut self.world);
        kept.map_err(|seen| Broken::new("a whole disk is never refused", seen))
    }
}

/// Runs a case. A panic is a promise that was broken, too.
pub fn run(case: &Case) -> Run {
    catch_unwind(|| run_to_its_end(case)).unwrap_or_else(|panic| {
        let said = panic.downcast_ref::<String>().cloned();
        let said = said.or_else(|| Some((*panic.downcast_ref::<&str>()?).to_owned()));
        Run {
            verdict: Err(Broken::new("nothing panics", said.unwrap_or_default())),
            coverage: Coverage::default(),
            trace: Trace::default(),
        }
    })
}

fn run_to_its_end(case: &Case) -> Run {
    let world = World::formed_of(case.seed, MACHINES, VOTERS, case.flaw);
    let (chance, trace) = (world.chance().split(), world.trace().clone());
    let clients = Clients::new(Load::default(), chance.split());
    let moments = || clients.history().clone();
    let mut stage = Stage {
        etcd: etcd::Clients::new(chance.split(), moments()),
        watchers: etcd::Watchers::new(chance.split(), moments()),
        record: etcd::Record::new(moments()),
        clients,
        hands: Hands::new(chance, &world),
        invariants: invariants::all(),
        counting: Counting::default(),
        world,
    };
    stage.record.look(&stage.world);
    let verdict = disturb(&mut stage, case).and_then(|()| peace::check(&mut stage));
    let coverage = stage
        .counting
        .finish(&stage, *verdict.as_ref().unwrap_or(&Judged::default()));
    Run {
        verdict: verdict.map(drop),
        coverage,
        trace,
    }
}

fn disturb(stage: &mut Stage, case: &Case) -> Result<(), Broken> {
    let began = stage.world.age();
    let mut events = case.schedule.0.iter().peekable();
    while stage.world.age() < began + SPAN {
        let age = stage.world.age() - began;
        while let Some(event) = events.next_if(|event| event.at <= age) {
            let what = format!("event {event}");
            stage.world.trace().note(stage.world.age(), what);
            let Stage { world, hands, .. } = stage;
            event.fault.strike(event.who, world, hands);
        }
        stage.step()?;
    }
    Ok(())
}
