//! The cluster's own state: what it is, who belongs to it, and whether it takes data.

mod command;
mod state;

pub use command::{Command, Reply};
pub(crate) use state::{Genesis, System};
