//! The node's Kubernetes side: reports what the node is, obeys its own ClusterNode, and on the leader carries the
//! wishes of all ClusterNodes of its Cluster to the admin API.
//!
//! [`decide`] is pure; the shell around it watches, calls and waits. A node never depends on its agent: an API
//! server that is away is ridden out, and an absent ClusterNode means "change nothing".

mod bucket;
mod config;
mod decide;
mod ids;
mod node;
mod shell;
mod wish;

pub use config::{Config, RunError};
pub use decide::{
    Acting, Action, Attempt, Change, Confirmed, Observed, Reported, Reporting, decide,
};
pub use shell::run;
