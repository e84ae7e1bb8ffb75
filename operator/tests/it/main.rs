//! The operator's promises: the pure ones by golden files and by a model of the world, the others against a real
//! API server.
//!
//! In the latter nothing is faked but scheduler and kubelet, for which [`e2e::kubelet`] stands in: etcd, API server,
//! controllers, the chart, the operator (two, as pods) and the nodes are the real ones. They need root and the built
//! programs.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test says with a panic that a promise was broken"
)]

mod adopt;
mod api;
mod bed;
mod chart;
mod crash;
mod create;
mod faults;
mod golden;
mod model;
mod releases;
mod rest;
mod roll;
mod scale;
mod spec;
