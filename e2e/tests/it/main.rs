//! The end-to-end tests, a module for each promise.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says with a panic that a promise was broken"
)]

mod chart;
mod clients;
mod control_plane;
mod etcdctl;
mod kubelet;
mod promises;
mod snapshot;
mod store;
mod testbed;
