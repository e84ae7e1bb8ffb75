//! The words that Kluster shares with Kubernetes: the custom resources `Cluster` and `ClusterNode`, the names
//! and labels of everything that belongs to a Cluster, and the YAML that an API server needs of them.
//!
//! This room holds no behaviour: what a Cluster *means* is the operator's, what a node does is the node's.

mod bounds;
mod cluster;
mod cluster_status;
mod engines;
pub mod labels;
pub mod manifests;
pub mod names;
mod node;
mod node_status;
mod schemas;
#[cfg(test)]
mod tests;

pub use cluster::{
    AutoGrow, Cluster, ClusterSpec, LogConfig, NetworkPolicy, NodeConfig, Operations, PodTemplate,
    RaftConfig, RecoverFrom, Resources, Scheduling, Storage, Updates, Zone,
};
pub use cluster_status::{ClusterStatus, LogStatus, OperationStatus, RecoveryStatus, ZoneStatus};
pub use engines::{
    Authentication, AutoCompaction, ClientCertificates, CompactionMode, Engines, KvEngine, Tls,
    Tokens,
};
pub use node::{Bootstrap, ClusterNode, ClusterNodeSpec, Leadership, Membership, Recover};
pub use node_status::{ClusterNodeStatus, DigestStatus, DiskClass, DiskStatus, Role};

pub use bounds::{TEXT_BYTES_MAX, clip};
