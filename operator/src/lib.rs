//! The control plane: a `Cluster` manifest becomes a running cluster, and stays one.
//!
//! A reconcile is five verbs: [`observe`] reads, [`validate`] parses once, [`plan`] decides (pure), [`apply`] writes,
//! [`report`] tells. The operator speaks to nodes through `ClusterNode` objects alone; it opens no connection to one.
//!
//! [`run`] is the whole program but for its environment: it elects itself ([`lease`]), watches and reconciles
//! ([`controller`]), and answers on its health port ([`metrics`]).

pub mod apply;
pub mod build;
mod client;
mod cluster_gauges;
pub mod config;
pub mod controller;
mod deletions;
mod health;
pub mod lease;
pub mod metrics;
pub mod observe;
pub mod plan;
pub mod report;
mod reported;
pub mod resource;
mod run;
pub mod validate;
mod watches;

pub use client::{bounded, client, heeding};
pub use run::{RunError, run};
