//! node-api: the only door into a node, for programs that are not nodes.
//!
//! [`proto`] is the admin protocol as generated from its protobuf file, [`AdminClient`] its typed client (it proves the
//! cluster key and keeps the session), [`Data`] the client of the HTTP data interface, and [`ErrorCode`] the one list of
//! error codes that both use. What this room does not do: it knows no node from the inside.

mod admin;
mod call_error;
mod data;
mod error_code;
mod list;
mod percent;
mod proof;
pub mod proto;

pub use admin::AdminClient;
pub use call_error::CallError;
pub use data::{Consistency, Data, DataError, Found, Put, WriteOptions};
pub use error_code::{ErrorBody, ErrorCode};
pub use list::{Encoded, ListItem, ListPage};
pub use percent::{
    Malformed as MalformedPercent, decode as percent_decode, encode as percent_encode,
};
pub use proof::{NONCE_BYTES, SESSION_BYTES, prove, proves};

/// Metadata of the admin protocol: the session, lower-case hex.
pub const SESSION_METADATA: &str = "x-kluster-session";
/// Metadata of the admin protocol: the [`ErrorCode`] of a refused or failed call.
pub const CODE_METADATA: &str = "x-kluster-code";
/// Metadata of the admin protocol: the leader to ask instead, decimal.
pub const LEADER_METADATA: &str = "x-kluster-leader";
/// Header of the data interface: the position of a write, or that a read was made at.
pub const POSITION_HEADER: &str = "kluster-position";
/// Header of the data interface: the revision of a key.
pub const REVISION_HEADER: &str = "kluster-revision";
/// Header of the data interface: the client's name for a write, by which its repetition is known.
pub const REQUEST_ID_HEADER: &str = "kluster-request-id";
