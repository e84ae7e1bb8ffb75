//! The suite that every [`Storage`] passes: node-storage runs it on [`crate::Memory`], node-disk on its disk.
//!
//! It asserts, so that a failure names the promise that was broken; it belongs in tests only.

mod content;
mod durability;
mod replacement;

use std::ops::Bound;
use std::sync::Arc;

use bytes::Bytes;

use crate::{Batch, Row, Storage, Table, View};

/// A storage under test, with the two things that can happen to it between openings.
pub trait Subject {
    /// A handle to the storage as it is open now.
    fn storage(&self) -> Arc<dyn Storage>;
    /// Closes the storage as a program that ends well does, and opens it again. Handles given out before are dropped first.
    fn reopen(&mut self);
    /// Ends the storage as a power loss at this moment could, and opens what is left. As much of what was not persisted is
    /// lost as the subject can bring about.
    fn crash(&mut self);
}

/// Runs the whole suite; `make` gives a new, empty storage each time.
pub fn check(make: &dyn Fn() -> Box<dyn Subject>) {
    content::check(make);
    durability::check(make);
    replacement::check(make);
}

const A: Table = Table("a");
const B: Table = Table("b");

fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A batch from lines like `a k=v` (put) and `a -k` (delete).
fn batch(lines: &[&str]) -> Batch {
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
fn dump_view(view: &dyn View) -> Vec<String> {
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

fn dump(storage: &Arc<dyn Storage>) -> Vec<String> {
    dump_view(storage.view().expect("a view opens").as_ref())
}

fn commit(storage: &Arc<dyn Storage>, lines: &[&str]) {
    storage.commit(batch(lines)).expect("a batch commits");
}

/// The keys of one scan, joined by spaces.
fn scan(storage: &Arc<dyn Storage>, table: Table, range: (Bound<&str>, Bound<&str>)) -> String {
    let view = storage.view().expect("a view opens");
    let range = (range.0.map(bytes), range.1.map(bytes));
    let keys: Vec<_> = view
        .scan(table, range)
        .map(|row| String::from_utf8_lossy(&row.expect("rows are readable").0).into_owned())
        .collect();
    keys.join(" ")
}
