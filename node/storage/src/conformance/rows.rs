//! Rows written and read as lines of text.

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Batch, Row, Storage, Table, View};

pub(super) const A: Table = Table("a");
pub(super) const B: Table = Table("b");

pub(super) fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A batch from lines like `a k=v` (put) and `a -k` (delete).
pub(super) fn batch(lines: &[&str]) -> Batch {
    let mut batch = Batch::new();
    for line in lines {
        let (table, change) = line.split_once(' ').expect("invariant: \"table change\"");
        let table = if table == "a" { A } else { B };
        match change.split_once('=') {
            Some((key, value)) => batch.put(table, bytes(key), bytes(value)),
            None => batch.delete(table, bytes(change.trim_start_matches('-'))),
        }
    }
    batch
}

/// All rows of a view as lines like `a k=v`.
pub(super) fn dump_view(view: &dyn View) -> Vec<String> {
    view.rows()
        .map(|row| {
            let Row { table, key, value } = row.expect("rows are readable");
            format!(
                "{table} {}={}",
                String::from_utf8_lossy(&key),
                String::from_utf8_lossy(&value)
            )
        })
        .collect()
}

pub(super) fn dump(storage: &Arc<dyn Storage>) -> Vec<String> {
    dump_view(storage.view().expect("a view opens").as_ref())
}

pub(super) fn commit(storage: &Arc<dyn Storage>, lines: &[&str]) {
    storage.commit(batch(lines)).expect("a batch commits");
}

/// The keys of one scan, joined by spaces.
pub(super) fn scan(
    storage: &Arc<dyn Storage>,
    table: Table,
    range: (Bound<&str>, Bound<&str>),
) -> String {
    let view = storage.view().expect("a view opens");
    let range = (range.0.map(bytes), range.1.map(bytes));
    let keys: Vec<_> = view
        .scan(table, range)
        .map(|row| String::from_utf8_lossy(&row.expect("rows are readable").0).into_owned())
        .collect();
    keys.join(" ")
}
