//! What the tests on a real Kubernetes share: the operator installed once, a Cluster under test, a writer that never stops.

mod cluster;
mod place;
mod writer;

pub use cluster::{Cluster, clear_leftovers, holds, message, reason};
pub use place::{OPERATOR_NAMESPACE, Place, install_operator};
pub use writer::{NodeReport, Report, Writer};
