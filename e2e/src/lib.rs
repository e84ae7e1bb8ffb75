//! The test-bed (a real Kubernetes on one machine) and what the tests by promise share.
//!
//! * [`mod@bench`]: the figures.
//! * [`control_plane`]: etcd, kube-apiserver and controllers on loopback, for one test binary.
//! * [`demo`]: the main job, shown step by step.
//! * [`kubelet`]: runs pods of such a control plane as processes, without a container runtime.
//! * [`testbed`]: a whole Kubernetes of three nodes in three zones, for `make cluster-up` and the end-to-end tests.
//! * [`promise`]: what the tests on a real Kubernetes share.
//! * [`tools`]: the programs of other projects, pinned and built once.

pub mod bench;
pub mod certificates;
pub mod child;
pub mod commands;
pub mod control_plane;
pub mod demo;
pub mod environment;
pub mod kubeconfig;
pub mod kubelet;
pub mod promise;
mod tell;
pub mod testbed;
pub mod tools;
pub mod wait;

pub use tell::tell;
