//! Names that both ends of a protocol use.

/// Metadata of the admin protocol: the session, lower-case hex.
pub const SESSION_METADATA: &str = "x-kluster-session";
/// Metadata of the admin protocol: the [`ErrorCode`](crate::ErrorCode) of a refused or failed call.
pub const CODE_METADATA: &str = "x-kluster-code";
/// Metadata of the admin protocol: the leader to ask instead, decimal.
pub const LEADER_METADATA: &str = "x-kluster-leader";
/// Header of the data interface: the position of a write, or that a read was made at.
pub const POSITION_HEADER: &str = "kluster-position";
/// Header of the data interface: the revision of a key.
pub const REVISION_HEADER: &str = "kluster-revision";
/// Header of the data interface: the client's name for a write, by which its repetition is known.
pub const REQUEST_ID_HEADER: &str = "kluster-request-id";
