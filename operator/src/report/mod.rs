//! What a person is told: the status of the Cluster, written only when it says something else than before, and an
//! Event for each change that matters.

mod conditions;
mod events;
mod status;

pub use conditions::{Shortfall, complete};
pub use events::of_pass as events;
pub use status::{ReportError, Reporter, undecodable};
