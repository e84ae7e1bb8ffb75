//! node-replication: one ordered log, kept alike on every member of a cluster.
//!
//! Opaque proposals go in on any node; a majority has them on disk; every node applies them in the same order to its
//! [`Machine`]. This crate does not know what an entry means, and openraft does not leave `raft/`.

mod blocking;
mod config;
mod contract;
mod errors;
#[cfg(fuzzing)]
pub mod fuzz;
mod identity;
mod ids;
mod log;
mod membership;
mod peers;
mod raft;
mod replication;
mod status;
mod stop;
mod wire;

pub use config::{ClusterKey, Config, ELECTION_MIN_MS, Limits, Timing};
pub use contract::{Applied, Committed, Export, Fatal, Machine, Payload, Proof, Rejected, Stamper};
pub use errors::{AdminError, ProposeError, Refusal, StartError, Unavailable};
pub use identity::{Identity, IdentityError};
pub use ids::{ClusterId, LogId, MemberId, ParseIdError};
pub use log::{Limits as LogLimits, OpenError as LogOpenError};
pub use membership::{Member, MemberChange, MemberRole, VOTERS_MAX};
pub use replication::{Replication, start};
pub use status::{Counters, FsyncSummary, MemberStatus, Role, Status};
