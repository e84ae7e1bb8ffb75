//! `klusterctl kv`: the keys as a whole. An etcd's are moved here, from the etcd itself or from a snapshot of it.

mod action;
mod bolt;
mod etcd;
mod import;
mod source;

pub use action::{KvAction, act};
