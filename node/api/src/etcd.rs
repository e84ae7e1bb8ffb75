//! The API of etcd 3.7.3: its messages, clients and servers, its errors, and the paths of its HTTP gateway.
//!
//! The packages keep the names that etcd gives them: [`etcdserverpb`] has the services and their messages, [`mvccpb`] keys
//! and events, [`authpb`] users and permissions, [`v3lockpb`] and [`v3electionpb`] locks and elections. [`Error`] is what
//! calls fail with, [`CancelReason`] what watches are refused with, [`ROUTES`] the gateway's paths. What this module does
//! not do: it holds none of etcd's rules, not even on which requests are refused.

mod cancel_reason;
mod error;
mod proto;
mod routes;

pub use cancel_reason::CancelReason;
pub use error::Error;
pub use proto::{authpb, etcdserverpb, mvccpb, v3electionpb, v3lockpb};
pub use routes::{ROUTES, Route};

/// The protobuf files as a `google.protobuf.FileDescriptorSet`: for who turns messages into something else.
pub const DESCRIPTORS: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/etcd.bin"));
