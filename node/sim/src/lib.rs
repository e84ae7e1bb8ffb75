//! node-sim: whole clusters in one process, on virtual time, from one seed.
//!
//! The code of the nodes is the real one, from the server below its codecs down to the bytes of the log; what is
//! simulated is their machine ([`host`]). Each node has a runtime of its own whose clock is paused; the [`World`] lets
//! all of them live through one millisecond after the other, in order, on one thread. A crash drops the runtime with
//! every task of the node, at whatever point it waits. The same seed gives the same run, event by event.
//!
//! A [`campaign`] gives each seed a world, [`clients`] and a schedule of faults, looks at every [`invariants`] after each
//! step, and judges in the end what clients saw. The agent of each node runs too, but for its calls.

pub mod campaign;
pub mod clients;
pub mod etcd;
pub mod host;
pub mod invariants;
mod member;
mod panics;
mod trace;
mod workload;
mod world;

pub use trace::Trace;
pub use workload::{Acknowledged, Workload};
pub use world::World;
