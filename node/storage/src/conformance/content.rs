//! What is committed is what is read.

use std::ops::Bound::{Excluded, Included, Unbounded};

use bytes::Bytes;

use super::Subject;
use super::rows::{A, B, batch, bytes, commit, dump, dump_view, scan};
use crate::Batch;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Subject>) {
    an_empty_storage_holds_nothing(make().as_ref());
    a_batch_is_applied_in_order(make().as_ref());
    tables_are_apart(make().as_ref());
    a_view_stays_as_it_was(make().as_ref());
    ranges_are_ordered_and_bounded(make().as_ref());
    any_bytes_are_kept(make().as_ref());
}

fn an_empty_storage_holds_nothing(subject: &dyn Subject) {
    let storage = subject.storage();
    assert_eq!(storage.get(A, b"k").expect("readable"), None);
    assert!(dump(&storage).is_empty());
    assert_eq!(scan(&storage, A, (Unbounded, Unbounded)), "");
    storage
        .commit(Batch::new())
        .expect("an empty batch commits");
    commit(&storage, &["a -k"]);
    assert!(
        dump(&storage).is_empty(),
        "deleting what is not there changes nothing"
    );
}

fn a_batch_is_applied_in_order(subject: &dyn Subject) {
    let storage = subject.storage();
    commit(
        &storage,
        &[
            "a k=1", "a k=2", "a gone=1", "a -gone", "a -back", "a back=3",
        ],
    );
    assert_eq!(dump(&storage), ["a back=3", "a k=2"]);
    assert_eq!(storage.get(A, b"k").expect("readable"), Some(bytes("2")));
    commit(&storage, &["a -k"]);
    assert_eq!(storage.get(A, b"k").expect("readable"), None);
    assert_eq!(dump(&storage), ["a back=3"]);
}

fn tables_are_apart(subject: &dyn Subject) {
    let storage = subject.storage();
    commit(&storage, &["b k=b", "a k=a", "a z=a"]);
    assert_eq!(storage.get(A, b"k").expect("readable"), Some(bytes("a")));
    assert_eq!(storage.get(B, b"k").expect("readable"), Some(bytes("b")));
    assert_eq!(
        dump(&storage),
        ["a k=a", "a z=a", "b k=b"],
        "rows come by table, then key"
    );
    commit(&storage, &["a -k"]);
    assert_eq!(storage.get(B, b"k").expect("readable"), Some(bytes("b")));
}

fn a_view_stays_as_it_was(subject: &dyn Subject) {
    let storage = subject.storage();
    commit(&storage, &["a k=1", "b k=1"]);
    let view = storage.view().expect("a view opens");
    commit(&storage, &["a k=2", "b -k", "a new=2"]);
    assert_eq!(dump_view(view.as_ref()), ["a k=1", "b k=1"]);
    assert_eq!(view.get(A, b"k").expect("readable"), Some(bytes("1")));
    assert_eq!(view.get(A, b"new").expect("readable"), None);
    assert_eq!(dump(&storage), ["a k=2", "a new=2"]);
}

fn ranges_are_ordered_and_bounded(subject: &dyn Subject) {
    let storage = subject.storage();
    commit(&storage, &["a c=", "a a=", "a d=", "a b=", "b x="]);
    let cases = [
        ((Unbounded, Unbounded), "a b c d"),
        ((Included("b"), Unbounded), "b c d"),
        ((Excluded("b"), Unbounded), "c d"),
        ((Unbounded, Included("b")), "a b"),
        ((Unbounded, Excluded("b")), "a"),
        ((Included("b"), Excluded("d")), "b c"),
        ((Included("bb"), Included("cc")), "c"),
        ((Included("b"), Included("b")), "b"),
        ((Excluded("b"), Excluded("b")), ""),
        ((Included("b"), Excluded("b")), ""),
        ((Included("d"), Included("a")), ""),
        ((Included("x"), Unbounded), ""),
    ];
    for (range, expected) in cases {
        assert_eq!(scan(&storage, A, range), expected, "range {range:?}");
    }
}

fn any_bytes_are_kept(subject: &dyn Subject) {
    let storage = subject.storage();
    let mut rows = vec![
        (Bytes::from_static(&[0]), Bytes::new()),
        (Bytes::from_static(&[0, 0]), Bytes::from_static(&[0])),
        (
            Bytes::from_static(&[0xff; 4096]),
            Bytes::from(vec![0xff; 1 << 20]),
        ),
        (
            Bytes::from_static(&[0xff, 0xfe]),
            Bytes::from((0..=255).collect::<Vec<u8>>()),
        ),
    ];
    let mut batch = batch(&[]);
    for (key, value) in &rows {
        batch.put(A, key.clone(), value.clone());
    }
    storage.commit(batch).expect("a batch commits");
    rows.sort();
    let view = storage.view().expect("a view opens");
    let found: Vec<_> = view
        .scan(A, (Unbounded, Unbounded))
        .map(|row| row.expect("readable"))
        .collect();
    assert_eq!(found, rows);
    assert!(storage.bytes_used().expect("known") > 0);
}
