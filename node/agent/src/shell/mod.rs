//! Carries out what [`decide`](crate::decide) says: watches, calls with a time limit, and waits after failures.
//!
//! Everything runs in one task: the watches are streams of a map, the calls under way futures of a set, so that
//! dropping the agent ends all of it.

mod admin;
mod agent;
mod backoff;
mod calls;
mod outage;
mod run;
mod watches;

pub use run::run;
