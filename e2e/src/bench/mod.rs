//! `make bench`: the figures, as lines `name value unit`. Nothing asserts them: they are for people to compare.

mod beside;
pub mod etcd;
mod etcd_benchmark;
mod etcd_client;
mod failovers;
mod figures;
mod fleet;
mod gaps;
mod keys;
mod kubernetes;
mod like_etcd;
pub mod local;
mod pair;
pub mod process;
mod recovery;
mod table;
mod turns;

pub use figures::{Part, run};
