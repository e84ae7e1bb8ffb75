//! The tables in which the state is kept. Their rows are a format: see `testdata/v1`.

use bytes::{BufMut, Bytes, BytesMut};
use node_storage::Table;

/// Every table of the state, in ascending order: what an export walks through.
pub const TABLES: [Table; 8] = [
    AUTH, DIGESTS, KV, KV_ALARMS, KV_LARGE, KV_LEASES, REQUESTS, SYSTEM,
];

/// The users and roles: the row [`AUTH_STATE`], and one for each of them.
pub(crate) const AUTH: Table = Table("auth");

/// Place (revision, 8 bytes, number within it, 4 bytes, big endian) -> a change of a key. All of them in their order: the
/// history of the keys, as far as it is kept.
pub(crate) const KV: Table = Table("kv");

/// Kind (1 byte) and member (8 bytes, big endian) -> an alarm that is active.
pub(crate) const KV_ALARMS: Table = Table("kv.alarms");

/// Place -> a value that is too long for [`KV`].
pub(crate) const KV_LARGE: Table = Table("kv.large");

/// Lease (8 bytes, big endian) -> what it is.
pub(crate) const KV_LEASES: Table = Table("kv.leases");

/// Of level 1: key -> which revisions it has. Such rows are turned into those of [`KV`] when a state is opened.
pub(crate) const KV_INDEX: Table = Table("kv.index");

/// Of level 1: revision (8 bytes, big endian) -> value.
pub(crate) const KV_VALUES: Table = Table("kv.values");

/// Request id -> what became of the request.
pub(crate) const REQUESTS: Table = Table("requests");

/// The cluster's own state, in the rows [`CLUSTER`], [`COMPACTED`], [`MEMBERS`] and [`HEAD`].
pub(crate) const SYSTEM: Table = Table("system");

/// Index (8 bytes, big endian) -> digest after that entry.
pub(crate) const DIGESTS: Table = Table("digests");

/// Row of [`SYSTEM`]: what the cluster is.
pub(crate) const CLUSTER: &[u8] = b"cluster";

/// Row of [`SYSTEM`]: who belongs to it, and who did.
pub(crate) const MEMBERS: &[u8] = b"members";

/// Row of [`SYSTEM`]: where the history of the keys begins, as a place; from level 2 on.
pub(crate) const COMPACTED: &[u8] = b"compacted";

/// Row of [`SYSTEM`]: how far the state has come. Part of no digest.
pub(crate) const HEAD: &[u8] = b"head";

/// Row of [`AUTH`]: whether anyone is asked who they are, and the revision of the users and roles.
pub(crate) const AUTH_STATE: &[u8] = b"s";

/// What the key of a user's row in [`AUTH`] begins with, before its name.
pub(crate) const USER: u8 = b'u';

/// What the key of a role's row in [`AUTH`] begins with, before its name.
pub(crate) const ROLE: u8 = b'r';

/// The key of a user's row in [`AUTH`].
pub(crate) fn user(name: &str) -> Bytes {
    named(USER, name)
}

/// The key of a role's row in [`AUTH`].
pub(crate) fn role(name: &str) -> Bytes {
    named(ROLE, name)
}

fn named(kind: u8, name: &str) -> Bytes {
    let mut key = BytesMut::with_capacity(1 + name.len());
    key.put_u8(kind);
    key.put_slice(name.as_bytes());
    key.freeze()
}
