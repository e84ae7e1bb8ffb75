//! node-api: the only door into a node, for programs that are not nodes.
//!
//! [`proto`] holds the protocols as generated from their protobuf files, [`AdminClient`] is the typed client of the admin's (it
//! proves the cluster key and keeps the session), [`Data`] the client of the HTTP data interface, [`WriteStream`] one that has
//! many writes under way, and [`ErrorCode`] the one list of error codes that all use. [`etcd`] is the API of etcd, with error
//! codes of its own. What this room does not do: it knows no node from the inside.

mod admin;
mod call_error;
mod codec;
mod data;
mod error_code;
pub mod etcd;
mod list;
mod names;
mod percent;
mod proof;
pub mod proto;

pub use admin::AdminClient;
pub use call_error::CallError;
pub use data::{Consistency, Data, DataError, Found, Put, WriteOptions, WriteStream};
pub use error_code::{ErrorBody, ErrorCode};
pub use list::{Encoded, ListItem, ListPage};
pub use names::{
    CODE_METADATA, LEADER_METADATA, POSITION_HEADER, REQUEST_ID_HEADER, REVISION_HEADER,
    SESSION_METADATA,
};
pub use percent::{
    Malformed as MalformedPercent, decode as percent_decode, encode as percent_encode,
};
pub use proof::{NONCE_BYTES, SESSION_BYTES, prove, proves};
