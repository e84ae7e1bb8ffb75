//! The admin protocol `kluster.admin.v1`, generated from `proto/kluster/admin/v1/admin.proto`, which documents it.

#![allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::large_futures,
    clippy::missing_const_for_fn,
    reason = "the code is generated; the protobuf file holds the documentation"
)]

tonic::include_proto!("kluster.admin.v1");
