//! openraft, put behind this crate's own words: the only place that knows it.
//!
//! Its types leave neither this folder nor reach a disk or a wire: `messages` and `crate::membership` hold the formats.

mod abstention;
mod changes;
mod config;
mod convert;
mod disk;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod heard;
mod incoming;
mod leader;
mod lives;
mod log_store;
mod machine;
mod member_changes;
mod messages;
mod network;
mod node;
mod observer;
mod outcome;
mod pipeline;
mod proposals;
mod questions;
mod reads;
mod recovery;
mod report;
mod service;
mod snapshot_sending;
mod snapshots;
mod start;
mod state_machine;
mod succession;
mod survivor;
mod turned_down;

pub(crate) use lives::Lives;
pub(crate) use recovery::Asked;
