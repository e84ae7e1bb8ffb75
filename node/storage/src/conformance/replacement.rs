//! The whole content is swapped, or not at all.

use std::io;

use super::Subject;
use super::rows::{bytes, commit, dump, dump_view};
use crate::{Row, StorageError};

pub(super) fn check(make: &dyn Fn() -> Box<dyn Subject>) {
    new_rows_take_the_place_of_all_old_ones(make().as_mut());
    a_replacement_is_durable_at_once(make().as_mut());
    a_failed_replacement_leaves_the_old_content(make().as_mut());
    rows_out_of_order_are_refused(make().as_mut());
    names_that_no_table_has_are_refused(make().as_mut());
    an_old_view_outlives_a_replacement(make().as_mut());
    a_copy_through_rows_is_equal(make);
}

fn row(table: &'static str, key: &str, value: &str) -> Result<Row, StorageError> {
    Ok(Row {
        table: table.into(),
        key: bytes(key),
        value: bytes(value),
    })
}

fn replace(
    subject: &dyn Subject,
    rows: Vec<Result<Row, StorageError>>,
) -> Result<(), StorageError> {
    subject.storage().replace(&mut rows.into_iter())
}

fn new_rows_take_the_place_of_all_old_ones(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1", "a l=1", "b k=1"]);
    replace(subject, vec![row("a", "k", "2"), row("c", "k", "2")]).expect("replaces");
    assert_eq!(dump(&subject.storage()), ["a k=2", "c k=2"]);
    commit(&subject.storage(), &["a -k", "b k=3"]);
    assert_eq!(dump(&subject.storage()), ["b k=3", "c k=2"]);
    replace(subject, vec![]).expect("replaces by nothing");
    assert!(dump(&subject.storage()).is_empty());
}

fn a_replacement_is_durable_at_once(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    subject.storage().persist().expect("persists");
    commit(&subject.storage(), &["a k=2"]);
    replace(subject, vec![row("a", "new", "3")]).expect("replaces");
    subject.crash();
    assert_eq!(dump(&subject.storage()), ["a new=3"]);
    commit(&subject.storage(), &["a newer=4"]);
    subject.storage().persist().expect("persists");
    subject.reopen();
    assert_eq!(dump(&subject.storage()), ["a new=3", "a newer=4"]);
}

fn a_failed_replacement_leaves_the_old_content(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    subject.storage().persist().expect("persists");
    let torn = StorageError::failed("read a chunk", io::Error::other("the stream ended"));
    let error = replace(subject, vec![row("a", "k", "2"), Err(torn)]).expect_err("fails");
    assert_eq!(error.to_string(), "failed to read a chunk");
    assert_eq!(dump(&subject.storage()), ["a k=1"]);
    commit(&subject.storage(), &["a l=1"]);
    subject.storage().persist().expect("persists");
    subject.reopen();
    assert_eq!(dump(&subject.storage()), ["a k=1", "a l=1"]);
}

fn rows_out_of_order_are_refused(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    for rows in [
        vec![row("a", "l", ""), row("a", "k", "")],
        vec![row("a", "k", ""), row("a", "k", "")],
        vec![row("b", "k", ""), row("a", "l", "")],
    ] {
        let error = replace(subject, rows).expect_err("refused");
        assert!(
            matches!(error, StorageError::RowsOutOfOrder { row: 1 }),
            "{error}"
        );
        assert_eq!(dump(&subject.storage()), ["a k=1"]);
    }
}

fn names_that_no_table_has_are_refused(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    for name in ["", "A", "a/b", "..\0", "a b"] {
        let error = replace(subject, vec![row(name, "k", "")]).expect_err("refused");
        assert!(matches!(error, StorageError::TableName { .. }), "{error}");
    }
    assert_eq!(dump(&subject.storage()), ["a k=1"]);
}

fn an_old_view_outlives_a_replacement(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    let view = subject.storage().view().expect("a view opens");
    replace(subject, vec![row("a", "k", "2")]).expect("replaces");
    assert_eq!(dump_view(view.as_ref()), ["a k=1"]);
    assert_eq!(dump(&subject.storage()), ["a k=2"]);
}

fn a_copy_through_rows_is_equal(make: &dyn Fn() -> Box<dyn Subject>) {
    let (from, to) = (make(), make());
    for number in 0..500 {
        let (a, b) = (
            format!("a {number}={number}"),
            format!("b {}=x", number % 7),
        );
        commit(&from.storage(), &[&a, &b]);
    }
    let view = from.storage().view().expect("a view opens");
    to.storage().replace(&mut view.rows()).expect("replaces");
    assert_eq!(dump(&to.storage()), dump(&from.storage()));
}
