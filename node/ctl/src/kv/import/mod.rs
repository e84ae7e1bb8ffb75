//! The move itself: refuse, raise the revisions, write, read back.

mod compare;
mod leases;
mod run;
mod target;
mod users;
mod write;

pub use run::run;
