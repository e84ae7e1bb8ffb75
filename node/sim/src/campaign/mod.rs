//! Campaigns: for each seed a world, its clients and its faults, held against everything that must hold.

mod agents;
mod case;
mod coverage;
mod fault;
mod hands;
mod peace;
mod run;
mod schedule;
mod shrink;
mod wishes;

pub use case::{Case, hunt};
pub use coverage::Coverage;
pub use fault::{Fault, Who};
pub use run::{Broken, Run, run};
pub use schedule::{Event, Schedule};
pub use shrink::shrink;
