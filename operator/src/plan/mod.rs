//! What to do next, decided from what was validated and what was observed: a pure total function.
//!
//! No clock, no client, no chance: the same two inputs always give the same [`Plan`]. `formation` decides how far
//! the cluster has come into being, `layout` which nodes there should be, `risk` the one risky thing at a time
//! (`recovery`, `removal`, `fence`, `mend`, `roll`, `growth`), `wishes` what each ClusterNode says, `health`,
//! `conditions` and `status` what a person is told.

mod conditions;
mod decide;
mod fence;
mod formation;
mod growth;
mod health;
mod layout;
mod mend;
mod outcome;
mod outlook;
mod reason;
mod recovery;
mod removal;
mod risk;
mod roll;
mod secrets;
mod status;
mod view;
mod wishes;

pub use conditions::Told;
pub use decide::plan;
pub use growth::volume_size;
pub use layout::{ZoneLayout, desired_by_zone};
pub use outcome::{ClaimWanted, Grow, Plan, Step, Sweep, Wait};
pub use reason::{ConditionType, Reason};
pub use view::{Leader, Node, View};
