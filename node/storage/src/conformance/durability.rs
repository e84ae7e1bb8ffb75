//! What survives.

use super::Subject;
use super::rows::{A, B, bytes, commit, dump};
use crate::Batch;

pub(super) fn check(make: &dyn Fn() -> Box<dyn Subject>) {
    what_was_persisted_survives_reopening(make().as_mut());
    a_crash_loses_a_suffix_of_commits(make().as_mut());
    a_crashed_storage_goes_on(make().as_mut());
}

fn what_was_persisted_survives_reopening(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1", "b k=1"]);
    commit(&subject.storage(), &["a k=2", "b -k"]);
    subject.storage().persist().expect("persists");
    subject.reopen();
    assert_eq!(dump(&subject.storage()), ["a k=2"]);
    commit(&subject.storage(), &["a l=3"]);
    subject.storage().persist().expect("persists");
    subject.reopen();
    assert_eq!(dump(&subject.storage()), ["a k=2", "a l=3"]);
}

/// Commit number n writes `a last=n` and `b n=<large>`: whatever a crash leaves must be commits 1..=m, whole.
fn a_crash_loses_a_suffix_of_commits(subject: &mut dyn Subject) {
    const PERSISTED: u32 = 20;
    const COMMITTED: u32 = 50;
    for number in 1..=COMMITTED {
        let mut batch = Batch::new();
        batch.put(A, bytes("last"), bytes(&number.to_string()));
        batch.put(B, bytes(&format!("{number:04}")), vec![b'.'; 1000]);
        subject.storage().commit(batch).expect("a batch commits");
        if number == PERSISTED {
            subject.storage().persist().expect("persists");
        }
    }
    subject.crash();
    let storage = subject.storage();
    let last = storage
        .get(A, b"last")
        .expect("readable")
        .expect("persisted");
    let last: u32 = String::from_utf8_lossy(&last).parse().expect("a number");
    assert!(last >= PERSISTED, "a persisted commit was lost: {last}");
    for number in 1..=COMMITTED {
        let key = format!("{number:04}");
        let there = storage.get(B, key.as_bytes()).expect("readable").is_some();
        assert_eq!(
            there,
            number <= last,
            "commit {number} of {last} that were kept"
        );
    }
}

fn a_crashed_storage_goes_on(subject: &mut dyn Subject) {
    commit(&subject.storage(), &["a k=1"]);
    subject.storage().persist().expect("persists");
    commit(&subject.storage(), &["a lost=1"]);
    subject.crash();
    commit(&subject.storage(), &["a k=2", "a lost=2"]);
    subject.storage().persist().expect("persists");
    subject.crash();
    assert_eq!(dump(&subject.storage()), ["a k=2", "a lost=2"]);
}
