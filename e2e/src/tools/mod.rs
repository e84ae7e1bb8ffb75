//! The programs of other projects that the tests run: pinned, built once, kept outside the checkout.
//!
//! Each has a folder under `e2e/tools` with its own `go.mod` and `go.sum`; what is built lands in
//! `<cache>/bin/<tool>-<version>/`, so that only the first run pays. Debian's own packages are the job of [`debian`].

mod build;
pub mod debian;
mod pins;

pub use build::{Cache, ensure};
pub use pins::{
    CNI, CONTAINERD, COREDNS, ETCD, ETCD_BENCHMARK, HELM, KUBERNETES, Program, TOOLS, Tool, find,
};
