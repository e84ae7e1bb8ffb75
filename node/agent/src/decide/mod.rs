//! What an agent does about what it sees: a pure function, without a client and without a clock.
//!
//! It decides; carrying out, waiting and repeating are the shell's. An absent ClusterNode means "change nothing".

mod act;
mod decision;
mod message;
mod observed;
mod report;
#[cfg(test)]
mod tests;

pub use act::{Action, Change};
pub use decision::decide;
pub use observed::{Acting, Attempt, Confirmed, Observed, Reported, Reporting};
