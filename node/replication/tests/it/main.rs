//! Members on loopback in one process: real sockets, real files, and a machine small enough to see through.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "helpers of tests fail as tests do"
)]

mod cluster;
mod elections;
mod failures;
mod held;
mod machine;
mod members;
mod reads;
mod recovery;
mod restarts;
mod room;
mod snapshots;
mod writes;
