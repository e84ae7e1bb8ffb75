//! Parse once: a Cluster becomes a [`Subject`] (who it is) and a [`Validated`] spec, or the list of what is wrong
//! with it. Nothing after this room reads `.spec`.
//!
//! The API server already enforces the rules in the definition; they are checked here again because an older
//! definition may be installed, and because some (the pod template overlay, quantities) it cannot know.

mod kv;
mod overlay;
mod quantity;
mod spec;
mod subject;

pub use kv::{Kv, named_secrets};
pub use overlay::merge;
pub use quantity::{compare, parse};
pub use spec::{Network, Problem, Problems, Validated, ZoneWanted, validate};
pub use subject::Subject;
