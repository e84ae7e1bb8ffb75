//! The tables in which the state is kept. Their rows are a format: see `testdata/v1`.

use node_storage::Table;

/// Every table of the state, in ascending order: what an export walks through.
pub const TABLES: [Table; 5] = [DIGESTS, KV_INDEX, KV_VALUES, REQUESTS, SYSTEM];

/// Revision (8 bytes, big endian) -> value.
pub(crate) const KV_VALUES: Table = Table("kv.values");

/// Key -> which revisions it has.
pub(crate) const KV_INDEX: Table = Table("kv.index");

/// Request id -> what became of the request.
pub(crate) const REQUESTS: Table = Table("requests");

/// The cluster's own state, in the rows [`CLUSTER`], [`MEMBERS`] and [`HEAD`].
pub(crate) const SYSTEM: Table = Table("system");

/// Index (8 bytes, big endian) -> digest after that entry.
pub(crate) const DIGESTS: Table = Table("digests");

/// Row of [`SYSTEM`]: what the cluster is.
pub(crate) const CLUSTER: &[u8] = b"cluster";

/// Row of [`SYSTEM`]: who belongs to it, and who did.
pub(crate) const MEMBERS: &[u8] = b"members";

/// Row of [`SYSTEM`]: how far the state has come. Part of no digest.
pub(crate) const HEAD: &[u8] = b"head";
