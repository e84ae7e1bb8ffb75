//! Carries out what the [agent](crate::Agent) has due: watches, and calls with a time limit.
//!
//! Everything runs in one task: the watches are streams of a map, the calls under way futures of a set, so that
//! dropping the agent ends all of it.

mod admin;
mod calls;
mod outage;
mod run;
mod watches;
mod work;

pub use run::run;
