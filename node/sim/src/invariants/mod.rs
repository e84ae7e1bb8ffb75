//! What must hold after every step of a world, whatever happens to it.

mod acknowledged_entries_stay;
mod applied_prefixes_are_equal;
mod committed_entries_never_change;
mod ids_are_never_reused;
mod invariant;
mod leaders_follow_each_other;
mod purges_stay_behind_what_is_persisted;

pub use invariant::{Invariant, Sight, all};
