//! `make bench`: the figures, as lines `name value unit`. Nothing asserts them: they are for people to compare.

mod beside;
pub mod etcd;
mod etcd_client;
mod failovers;
mod figures;
mod fleet;
mod gaps;
mod kubernetes;
pub mod local;
pub mod process;
mod recovery;

pub use figures::{Part, run};
