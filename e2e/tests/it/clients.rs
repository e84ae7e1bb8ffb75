//! Clients of etcd work unchanged: ordinary programs with the ordinary client of each language (`peers/<language>`) do the same
//! work at etcd and at our nodes, and see the same. A node is lost meanwhile.

mod made;
mod run;
mod servers;

use std::path::Path;
use std::thread;

use made::Client;
use run::Said;
use servers::{OfEtcd, Ours, Servers};

/// A program that says less did less than it should.
const CHECKS_MIN: usize = 10;

#[test]
fn clients_in_go_work_unchanged() {
    works_unchanged(made::go);
}

#[test]
fn clients_in_java_work_unchanged() {
    works_unchanged(made::java);
}

#[test]
fn clients_in_python_work_unchanged() {
    works_unchanged(made::python);
}

#[test]
fn clients_in_rust_work_unchanged() {
    works_unchanged(made::rust);
}

/// Makes a client, and has it do its work at etcd and at ours at the same time.
fn works_unchanged(make: impl Fn(&Path) -> Client) {
    let folder = tempfile::tempdir().unwrap();
    let client = make(folder.path());
    let said_of = |servers: &mut dyn Servers| run::run(&client, servers);
    let (theirs, ours) = thread::scope(|scope| {
        let theirs = scope.spawn(|| said_of(&mut OfEtcd::start()));
        let ours = scope.spawn(|| said_of(&mut Ours::start()));
        (theirs.join().unwrap(), ours.join().unwrap())
    });
    assert!(
        theirs.ended_well,
        "with etcd, so the test is wrong: {theirs}"
    );
    assert!(ours.ended_well, "with our nodes: {ours}");
    assert!(ours.lines.len() >= CHECKS_MIN, "it did too little: {ours}");
    assert!(
        theirs.lines == ours.lines,
        "what clients see differs:\n{}",
        differences(&theirs, &ours)
    );
}

fn differences(theirs: &Said, ours: &Said) -> String {
    let pairs = theirs.lines.iter().zip(&ours.lines);
    let differ = pairs.filter(|(theirs, ours)| theirs != ours);
    differ
        .map(|(theirs, ours)| format!("etcd: {theirs}\nours: {ours}\n"))
        .collect()
}
