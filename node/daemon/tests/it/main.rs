//! Real `kluster-node` processes on loopback, formed and administered through the admin API, by promise.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::too_many_lines,
    reason = "a test says with a panic that a promise was broken, and a table of cases reads best in one piece"
)]

mod chaos;
mod cluster;
mod ctl;
mod data;
mod deadline;
mod etcd;
mod faults;
mod fence;
mod full;
mod membership;
mod process;
mod proxy;
mod recovery;
mod requests;
mod small_disk;
mod starts;
mod streams;
mod writer;
