//! A light control plane for tests: real etcd and kube-apiserver, on request kube-controller-manager, on loopback.
//!
//! Ready in about three seconds, on free ports, in a temporary folder, with RBAC and an audit log; no kubelet, so
//! nothing runs. Everything stops when [`ControlPlane`] is dropped, and also when the process dies in any way.

mod access;
mod audit;
mod flags;
mod server;

pub use access::ServiceAccountAccess;
pub use audit::{Audit, Mark, Request};
pub use server::{ControlPlane, Controllers, Options, Store};
