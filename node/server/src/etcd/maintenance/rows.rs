//! Changes of keys as etcd stores them.

use node_api::etcd::mvccpb;
use node_engines::KeyChange;
use node_engines::kv::Revision;
use prost::Message;

use crate::etcd::answers::key_value;

/// The bucket that they lie in.
pub const BUCKET: &[u8] = b"key";

/// A place in the history: revision (8 bytes, big endian), `_`, number within it (8 bytes, big endian).
pub fn row_name(revision: Revision, number: u32) -> Vec<u8> {
    let mut name = Vec::with_capacity(18);
    name.extend_from_slice(&revision.0.to_be_bytes());
    name.push(b'_');
    name.extend_from_slice(&u64::from(number).to_be_bytes());
    name
}

/// The row of a change: its place, and `t` if it is a
/// deletion; and the key with all that it has, of a deletion the key alone.
pub fn row(change: KeyChange) -> (Vec<u8>, Vec<u8>) {
    let mut name = row_name(change.revision(), change.number());
    let now = match change.deleted {
        true => {
            name.push(b't');
            mvccpb::KeyValue {
                key: change.now.key,
                ..mvccpb::KeyValue::default()
            }
        }
        false => key_value(change.now),
    };
    (name, now.encode_to_vec())
}
