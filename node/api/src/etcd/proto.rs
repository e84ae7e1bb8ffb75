//! The packages of etcd's API as generated from `proto/etcd`, under the names that they have on the wire. They name each
//! other, and so must be neighbours.

#![allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "the code is generated; the protobuf files hold the documentation"
)]

/// The services `KV`, `Watch`, `Lease`, `Cluster`, `Maintenance` and `Auth`, and their messages.
pub mod etcdserverpb {
    tonic::include_proto!("etcdserverpb");
}

/// Keys with their values and revisions, and the events of watches.
pub mod mvccpb {
    tonic::include_proto!("mvccpb");
}

/// Users, roles and permissions.
pub mod authpb {
    tonic::include_proto!("authpb");
}

/// The service `Lock`.
pub mod v3lockpb {
    tonic::include_proto!("v3lockpb");
}

/// The service `Election`.
pub mod v3electionpb {
    tonic::include_proto!("v3electionpb");
}
