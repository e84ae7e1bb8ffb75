//! When a node reports, and what.

use std::time::Duration;

use serde_json::{Value, json};

use super::fixture::{node, wish};
use crate::bucket::Bucket;
use crate::decide::{Acting, Action, Confirmed, Observed, Reported, Reporting, decide};
use crate::ids::MemberId;
use crate::node::Disk;

const NOW: Duration = Duration::from_secs(100);

/// A leader with nothing to do that has reported everything `ago`.
fn reported(ago: Duration) -> Observed {
    let own = wish(
        "demo-a-0",
        &json!({ "spec": { "memberId": "a", "membership": "Voter", "epoch": 1 } }),
    );
    let mut seen = Observed {
        now: NOW,
        pod_uid: "pod-uid".to_owned(),
        node: node(&Value::Null),
        wishes: own.iter().cloned().collect(),
        own,
        reporting: Reporting::default(),
        acting: Acting::default(),
    };
    let status = report(&seen).expect("the first report is always due");
    seen.reporting.last = Some(Reported {
        uid: "uid-demo-a-0".to_owned(),
        status: *status,
        at: NOW - ago,
    });
    assert!(report(&seen).is_none(), "nothing changed, nothing to say");
    seen
}

fn report(seen: &Observed) -> Option<Box<crds::ClusterNodeStatus>> {
    match decide(seen).into_iter().next() {
        Some(Action::ReportStatus(status)) => Some(status),
        _ => None,
    }
}

type Change = fn(&mut Observed);

fn check(ago_seconds: u64, change: Change) -> bool {
    check_from(ago_seconds, change, NOW)
}

/// Whether a report is due at `now`, with the one before so long ago and this change since.
fn check_from(ago_seconds: u64, change: Change, now: Duration) -> bool {
    let ago = Duration::from_secs(ago_seconds);
    let mut seen = reported(Duration::ZERO);
    seen.reporting.last.as_mut().unwrap().at = now - ago;
    seen.now = now;
    change(&mut seen);
    report(&seen).is_some()
}

#[test]
fn a_transition_is_reported_at_once() {
    let transitions: [(&str, Change); 20] = [
        ("role", |s| s.node.role = crds::Role::Follower),
        ("term", |s| s.node.term += 1),
        ("leader", |s| s.node.leader = None),
        ("a member joins", |s| {
            let mut joined = s.node.members[2].clone();
            joined.id = MemberId(13);
            s.node.members.push(joined);
        }),
        ("a voter becomes a learner", |s| {
            s.node.members[2].voter = false
        }),
        ("membership", |s| {
            s.node.membership.as_mut().unwrap().index += 1
        }),
        ("caught up", |s| s.node.members[2].caught_up = false),
        ("reached", |s| s.node.members[2].reached = false),
        ("removed", |s| s.node.removed.push(MemberId(9))),
        ("ready", |s| s.node.not_ready = Some("behind".to_owned())),
        ("fatal", |s| {
            s.node.fatal = Some("fdatasync failed".to_owned())
        }),
        ("cluster id", |s| s.node.cluster = Some("ff".repeat(16))),
        ("open", |s| s.node.open = false),
        ("disk class", |s| s.node.disk = disk(50)),
        ("writes refused", |s| {
            s.node.disk.as_mut().unwrap().refuses_writes = true
        }),
        ("fenced", |s| s.node.fenced = true),
        ("writes commit", |s| s.node.commits = Some(true)),
        ("writes do not commit", |s| s.node.commits = Some(false)),
        ("generation", |s| {
            s.own.as_mut().unwrap().generation = Some(4)
        }),
        ("operation echo", |s| {
            s.own.as_mut().unwrap().operation = Some("op-1".to_owned());
            s.acting.confirmed = Some(Confirmed {
                operation: "op-1".to_owned(),
                term: 7,
            });
        }),
    ];
    for (what, change) in transitions {
        assert!(check(0, change), "{what}");
    }
}

fn disk(available_bytes: u64) -> Option<Disk> {
    Some(Disk {
        total_bytes: 1000,
        available_bytes,
        refuses_writes: false,
    })
}

#[test]
fn details_wait_until_ten_seconds_after_the_last_report() {
    let details: [(&str, Change); 2] = [
        ("share of the disk", |s| s.node.disk = disk(600)),
        ("size of the disk", |s| {
            s.node.disk = Some(Disk {
                total_bytes: 2000,
                available_bytes: 1400,
                refuses_writes: false,
            });
        }),
    ];
    for (what, change) in details {
        assert!(!check(9, change), "{what} after 9 s");
        assert!(check(10, change), "{what} after 10 s");
    }
}

#[test]
fn another_wording_is_a_detail() {
    for (ago, due) in [(9, false), (10, true)] {
        let mut seen = reported(Duration::from_secs(ago));
        seen.node.not_ready = Some("12 entries behind".to_owned());
        let status = report(&seen).unwrap();
        seen.reporting.last.as_mut().unwrap().status = *status;
        seen.node.not_ready = Some("11 entries behind".to_owned());
        assert_eq!(report(&seen).is_some(), due, "after {ago} s");
    }
}

#[test]
fn a_position_alone_is_reported_after_five_minutes() {
    let moved: Change = |s| {
        s.node.position = Some("0.0.43".to_owned());
        s.node.last_index = Some(43);
        s.node.committed_index = Some(43);
        s.node.applied_index = Some(43);
        s.node.digest = Some((43, "ff".repeat(32)));
        s.node.members[0].matched = Some(43);
    };
    for (ago, due) in [(0, false), (10, false), (99, false), (300, true)] {
        assert_eq!(
            check_from(ago, moved, Duration::from_secs(1000)),
            due,
            "after {ago} s"
        );
    }
    assert!(
        !check_from(900, |_| (), Duration::from_secs(1000)),
        "nothing moved"
    );
}

#[test]
fn a_canary_that_commits_is_never_reported() {
    let mut seen = reported(Duration::from_secs(60));
    seen.node.commits = Some(true);
    let status = report(&seen).unwrap();
    seen.reporting.last.as_mut().unwrap().status = *status;
    for index in 43..50 {
        seen.now += Duration::from_secs(10);
        seen.node.position = Some(format!("0.0.{index}"));
        seen.node.last_index = Some(index);
        seen.node.committed_index = Some(index);
        seen.node.applied_index = Some(index);
        assert!(report(&seen).is_none(), "{index}");
    }
    seen.node.commits = Some(false);
    assert!(report(&seen).is_some());
}

#[test]
fn the_same_percent_of_the_disk_is_nothing_new() {
    let (before, after) = (disk(700), disk(690));
    let mut seen = reported(Duration::from_secs(60));
    assert_eq!(seen.node.disk, before);
    seen.node.disk = after;
    assert!(report(&seen).is_none());
}

#[test]
fn the_disk_is_rounded_to_five_and_classed_by_its_true_share() {
    for (available, percent, class) in [
        (1000, 0, "Ok"),
        (976, 0, "Ok"),
        (975, 5, "Ok"),
        (151, 85, "Ok"),
        (150, 85, "Low"),
        (60, 95, "Low"),
        (50, 95, "Full"),
        (0, 100, "Full"),
    ] {
        let mut seen = reported(Duration::from_secs(60));
        seen.reporting.last = None;
        seen.node.disk = disk(available);
        let status = serde_json::to_value(report(&seen).unwrap()).unwrap();
        assert_eq!(
            status["disk"],
            json!({ "totalBytes": 1000, "usedPercent": percent, "class": class }),
            "{available}"
        );
    }
}

#[test]
fn a_disk_that_refuses_writes_is_full_whatever_its_share() {
    let mut seen = reported(Duration::from_secs(60));
    seen.node.disk.as_mut().unwrap().refuses_writes = true;
    let status = report(&seen).unwrap();
    assert_eq!(status.disk.as_ref().unwrap().class, crds::DiskClass::Full);
}

#[test]
fn transitions_come_in_a_burst_of_five_and_then_one_a_second() {
    let mut seen = reported(Duration::from_secs(60));
    let mut sent = Vec::new();
    for tenth in 0..30u64 {
        seen.now = NOW + Duration::from_millis(tenth * 100);
        seen.node.term += 1;
        if let Some(status) = report(&seen) {
            seen.reporting.bucket.take(seen.now);
            seen.reporting.last.as_mut().unwrap().status = *status;
            sent.push(tenth);
        }
    }
    assert_eq!(sent, [0, 1, 2, 3, 4, 10, 20]);
}

#[test]
fn nothing_is_reported_while_a_report_is_under_way_or_held_after_a_failure() {
    let mut seen = reported(Duration::from_secs(60));
    seen.node.term += 1;
    seen.reporting.in_flight = true;
    assert!(report(&seen).is_none());
    seen.reporting.in_flight = false;
    seen.reporting.held_until = NOW + Duration::from_millis(1);
    assert!(report(&seen).is_none());
    seen.now = seen.reporting.held_until;
    assert!(report(&seen).is_some());
}

#[test]
fn a_new_cluster_node_of_the_same_name_is_told_everything_again() {
    let mut seen = reported(Duration::from_secs(1));
    seen.own.as_mut().unwrap().uid = "another".to_owned();
    assert!(report(&seen).is_some());
}

#[test]
fn an_empty_bucket_holds_the_first_report_too() {
    let mut seen = reported(Duration::from_secs(1));
    seen.reporting.last = None;
    seen.reporting.bucket = Bucket::default();
    for _ in 0..5 {
        seen.reporting.bucket.take(NOW);
    }
    assert!(report(&seen).is_none());
}

#[test]
fn a_status_says_what_the_node_says() {
    let mut seen = reported(Duration::from_secs(1));
    seen.reporting.last = None;
    seen.node.removed = (0..70).map(MemberId).collect();
    seen.node.fenced = true;
    seen.node.commits = Some(true);
    seen.own.as_mut().unwrap().fenced = true;
    let status = serde_json::to_value(report(&seen).unwrap()).unwrap();
    let id = |n: u64| MemberId(n).to_string();
    assert_eq!(
        status,
        json!({
            "observedGeneration": 3,
            "memberId": id(10),
            "clusterId": "00112233445566778899aabbccddeeff",
            "incarnation": 0,
            "publicKey": "ab".repeat(32),
            "peerAddress": "demo-a-0.demo-peers.apps.svc:6356",
            "podUid": "pod-uid",
            "role": "Leader",
            "lastLog": "7.42",
            "leaderId": id(10),
            "term": 7,
            "position": "0.0.42",
            "appliedIndex": 42,
            "committedIndex": 42,
            "membershipId": "7.000000000000000a.9",
            "message": "fenced: it serves no client",
            "voters": [id(10), id(11), id(12)],
            "removedIds": (6..70).map(id).collect::<Vec<_>>(),
            "caughtUp": [id(10), id(11), id(12)],
            "peersReached": [id(11), id(12)],
            "ready": true,
            "open": true,
            "fenced": true,
            "commits": true,
            "disk": { "totalBytes": 1000, "usedPercent": 30, "class": "Ok" },
            "digest": { "index": 0, "value": "00".repeat(32) },
            "version": "0.1.0",
            "featureLevel": 1,
        })
    );
}
