//! The node's Kubernetes side: reports what the node is, obeys its own ClusterNode, and on the leader carries the
//! wishes of all ClusterNodes of its Cluster to the admin API.
//!
//! [`Agent`] is pure; the shell around it watches, calls and waits. A node never depends on its agent: an API server that
//! is away is ridden out, and an absent ClusterNode means "change nothing".

mod agent;
mod backoff;
mod bucket;
mod config;
mod convert;
mod decide;
mod ids;
mod node;
mod shell;
mod wish;

pub use agent::{Acted, Agent, Due};
pub use config::{Config, RunError};
pub use decide::{Action, Change, Reported};
pub use ids::{MemberId, MembershipId};
pub use node::{Disk, Member, Node};
pub use shell::run;
