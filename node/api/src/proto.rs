//! The admin protocol `kluster.admin.v1`, generated from `proto/kluster/admin/v1/admin.proto`, which documents it; and in
//! [`data`] that of streams of writes, `kluster.data.v1`, from `proto/kluster/data/v1/data.proto`.

#![allow(
    missing_docs,
    clippy::allow_attributes_without_reason,
    clippy::too_many_lines,
    reason = "the code is generated; the protobuf file holds the documentation"
)]

tonic::include_proto!("kluster.admin.v1");

pub mod data {
    tonic::include_proto!("kluster.data.v1");
}
