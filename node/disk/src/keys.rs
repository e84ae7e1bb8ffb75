//! How rows of many tables share one tree: the table's name, a zero byte, the row's key.
//!
//! Names hold no zero byte, so that the order of these keys is the order of (table, key).

use std::ops::Bound;

use bytes::Bytes;
use node_storage::Table;

const SEPARATOR: u8 = 0;

/// The key of a row in the tree.
pub(crate) fn row(table: &str, key: &[u8]) -> Vec<u8> {
    let mut row = Vec::with_capacity(table.len() + 1 + key.len());
    row.extend_from_slice(table.as_bytes());
    row.push(SEPARATOR);
    row.extend_from_slice(key);
    row
}

/// The table and the key of a row in the tree. Nothing where it is no such key.
pub(crate) fn split(row: &[u8]) -> Option<(&str, &[u8])> {
    let at = row.iter().position(|byte| *byte == SEPARATOR)?;
    let (table, key) = row.split_at_checked(at)?;
    Some((std::str::from_utf8(table).ok()?, key.get(1..)?))
}

/// A range of keys in the tree.
type Range = (Bound<Vec<u8>>, Bound<Vec<u8>>);

/// A range of one table as a range of the tree; nothing where it holds no key.
pub(crate) fn range(table: Table, range: (Bound<Bytes>, Bound<Bytes>)) -> Option<Range> {
    use Bound::{Excluded, Included, Unbounded};
    let at = |key: Bytes| row(table.0, &key);
    let start = match range.0 {
        Unbounded => Included(row(table.0, b"")),
        bound => bound.map(at),
    };
    let end = match range.1 {
        Unbounded => {
            let mut after = table.0.as_bytes().to_vec();
            after.push(SEPARATOR + 1);
            Excluded(after)
        }
        bound => bound.map(at),
    };
    let empty = match (&start, &end) {
        (Included(start), Included(end)) => start > end,
        (Included(start) | Excluded(start), Included(end) | Excluded(end)) => start >= end,
        (Unbounded, _) | (_, Unbounded) => false,
    };
    if empty { None } else { Some((start, end)) }
}
