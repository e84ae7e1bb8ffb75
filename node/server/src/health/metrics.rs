//! The node in numbers, for Prometheus. Made anew from the status whenever they are asked for.

use std::fmt;

use http::HeaderValue;
use node_engines::History;
use node_replication::{LogId, Role};
use prometheus_client::encoding::text::encode;
use prometheus_client::metrics::counter::ConstCounter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::{ConstGauge, Gauge};
use prometheus_client::registry::Registry;

use super::etcd_names::{self, Room};
use crate::http::role_name;
use crate::node::Node;
use crate::readiness::lag_entries;
use crate::status::NodeStatus;
use crate::traffic::Traffic;

/// The format of the text.
pub const CONTENT_TYPE: HeaderValue =
    HeaderValue::from_static("application/openmetrics-text; version=1.0.0; charset=utf-8");

const ROLES: [Role; 5] = [
    Role::Waiting,
    Role::Learner,
    Role::Follower,
    Role::Candidate,
    Role::Leader,
];

/// One label and its value.
type Label = [(&'static str, String); 1];

/// The metrics of a node as text.
pub fn render(node: &Node) -> Result<String, fmt::Error> {
    let (status, reader) = (node.status(), node.reader());
    let state_bytes = reader.bytes_used().ok();
    let room = Room {
        bytes: reader.bytes(),
        quota_bytes: node.limits().quota_bytes,
        alarms: &reader.alarms(),
    };
    text(
        &status,
        node.traffic(),
        &reader.history(),
        &room,
        state_bytes,
    )
}

fn text(
    status: &NodeStatus,
    traffic: &Traffic,
    history: &History,
    room: &Room<'_>,
    state_bytes: Option<u64>,
) -> Result<String, fmt::Error> {
    let mut all = Registry::default();
    let registry = all.sub_registry_with_prefix("kluster");
    place(registry, status);
    progress(registry, status);
    work(registry, status);
    snapshots(registry, status);
    canaries(registry, status);
    disk(registry, status);
    requests(registry, traffic);
    if let Some(bytes) = state_bytes {
        let help = "Bytes that the state takes up on the disk, as near as it is known";
        gauge(registry, "state_bytes", help, bytes);
    }
    let registry = all.sub_registry_with_prefix("etcd");
    etcd_names::add(registry, status, history, room);
    let mut text = String::new();
    encode(&mut text, &all)?;
    Ok(text)
}

pub(super) fn gauge(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(
        name,
        help,
        ConstGauge::new(i64::try_from(value).unwrap_or(i64::MAX)),
    );
}

fn counter(registry: &mut Registry, name: &str, help: &str, value: u64) {
    registry.register(name, help, ConstCounter::new(value));
}

fn labelled(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    let family = Family::<Label, Gauge>::default();
    for (value, count) in values {
        let gauge = family.get_or_create(&[(label, value)]).clone();
        gauge.set(i64::try_from(count).unwrap_or(i64::MAX));
    }
    registry.register(name, help, family);
}

/// Where the node stands in its cluster.
fn place(registry: &mut Registry, status: &NodeStatus) {
    let log = &status.log;
    let is = |role: Role| (role_name(role).to_owned(), u64::from(log.role == role));
    let roles = ROLES.into_iter().map(is);
    labelled(
        registry,
        "role",
        "1 for the role the node has",
        "role",
        roles,
    );
    let voters = log.members.iter().filter(|member| member.voter);
    let peers = log.members.iter().filter(|member| member.id != log.member);
    let reached = peers.filter(|member| member.reached == Some(true));
    let near = voters.clone().filter(|member| member.reached == Some(true));
    let flag = u64::from;
    for (name, help, value) in [
        ("term", "Term the node is in", log.term),
        (
            "leader_known",
            "1 while it knows a leader",
            flag(log.leader.is_some()),
        ),
        (
            "ready",
            "1 while it may be sent requests",
            flag(status.ready.is_ok()),
        ),
        (
            "fenced",
            "1 while it serves no client because it was told so",
            flag(status.fenced),
        ),
        ("open", "1 once the cluster takes data", flag(status.open)),
        (
            "members",
            "Members the node knows",
            log.members.len() as u64,
        ),
        ("voters", "Voters the node knows", voters.count() as u64),
        (
            "peers_reached",
            "Peers known to have answered lately: all of them on the leader, the leader elsewhere",
            reached.count() as u64,
        ),
        (
            "voters_reached",
            "Voters that answered lately, the node itself among them",
            near.count() as u64,
        ),
    ] {
        gauge(registry, name, help, value);
    }
}

/// How far the node has come.
fn progress(registry: &mut Registry, status: &NodeStatus) {
    let log = &status.log;
    let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
    for (name, help, value) in [
        (
            "last_log_index",
            "Index of the last entry in the log",
            index(log.last_log),
        ),
        (
            "committed_index",
            "Index known to be committed",
            index(log.committed),
        ),
        ("applied_index", "Index applied", index(log.applied)),
        (
            "snapshot_index",
            "Last index in the newest snapshot",
            index(log.snapshot),
        ),
        (
            "purged_index",
            "Last index given up at the log's front",
            index(log.purged),
        ),
        (
            "lag_entries",
            "Committed entries not applied yet",
            lag_entries(log),
        ),
        ("keys", "Keys with a value", status.keys),
        (
            "stamp_ahead_seconds",
            "How far the newest stamp is ahead of the wall clock",
            status.stamp_ahead_millis / 1000,
        ),
    ] {
        gauge(registry, name, help, value);
    }
}

/// What the node did.
fn work(registry: &mut Registry, status: &NodeStatus) {
    let done = &status.log.counters;
    for (name, help, value) in [
        ("proposals", "Proposals made on this node", done.proposals),
        (
            "proposals_forwarded",
            "Proposals passed on to the leader",
            done.forwarded,
        ),
        (
            "proposals_busy",
            "Proposals turned away: too many waited",
            done.busy,
        ),
        (
            "reads_confirmed",
            "Reads confirmed with a majority",
            done.reads,
        ),
        (
            "read_rounds",
            "Rounds of confirmation they took",
            done.read_rounds,
        ),
        ("applied_entries", "Entries applied", done.applied_entries),
        (
            "applied_runs",
            "Runs they were applied in",
            done.applied_runs,
        ),
        (
            "hellos_refused",
            "Hellos of others, refused here",
            done.hellos_refused,
        ),
        (
            "hellos_denied",
            "Hellos of this node, refused elsewhere",
            done.hellos_denied,
        ),
        ("elections", "Elections this node stood in", done.elections),
        (
            "log_truncations",
            "Times that the log's end was given up for another leader's",
            done.truncations,
        ),
        (
            "log_torn_tails_cut",
            "Ends of the log that a crash had torn, cut off by the start",
            done.torn_tails_cut,
        ),
    ] {
        counter(registry, name, help, value);
    }
    let mean = done
        .applied_entries
        .checked_div(done.applied_runs)
        .unwrap_or(0);
    gauge(
        registry,
        "apply_batch_entries",
        "Entries in a run of applies, on average",
        mean,
    );
}

/// What became of snapshots.
fn snapshots(registry: &mut Registry, status: &NodeStatus) {
    let done = &status.log.counters;
    for (name, help, value) in [
        ("snapshots_built", "Snapshots built", done.snapshots_built),
        (
            "snapshots_installed",
            "Snapshots from a peer",
            done.snapshots_installed,
        ),
        (
            "snapshots_resumed",
            "Times that a snapshot from a peer went on where a break had left it",
            done.snapshots_resumed,
        ),
    ] {
        counter(registry, name, help, value);
    }
}

/// Whether writes commit, as an idle leader finds out by entries of its own.
fn canaries(registry: &mut Registry, status: &NodeStatus) {
    let canaries = status.canaries;
    for (name, help, value) in [
        (
            "canaries",
            "Entries that an idle leader proposed to see that writes commit",
            canaries.made,
        ),
        (
            "canaries_failed",
            "Those that were refused or not committed in time",
            canaries.failed,
        ),
    ] {
        counter(registry, name, help, value);
    }
    // A follower may only lag, and nobody is to be woken for that.
    let leads = status.log.role == Role::Leader;
    if let Some(commits) = status.commits.filter(|_| leads) {
        let help = "On the leader: 1 while writes commit";
        gauge(registry, "commits", help, u64::from(commits));
    }
}

/// What the disk did, and what is left of it.
fn disk(registry: &mut Registry, status: &NodeStatus) {
    let fsync = &status.log.fsync;
    counter(registry, "fsync", "Syncs of the log", fsync.count);
    let quantiles = [
        ("0.5".to_owned(), fsync.p50_us),
        ("0.99".to_owned(), fsync.p99_us),
    ];
    let help = "How long a sync of the log takes, over the last few thousand";
    labelled(
        registry,
        "fsync_microseconds",
        help,
        "quantile",
        quantiles.into_iter(),
    );
    gauge(
        registry,
        "log_bytes",
        "Bytes of log on disk",
        status.log.log_bytes,
    );
    if let Some(space) = status.space {
        gauge(
            registry,
            "disk_total_bytes",
            "Size of the disk",
            space.total_bytes,
        );
        gauge(
            registry,
            "disk_available_bytes",
            "Room on the disk",
            space.available_bytes,
        );
    }
    let full = u64::from(status.disk_full);
    gauge(
        registry,
        "disk_full",
        "1 while writes are refused for want of room",
        full,
    );
}

/// What was asked of the node.
fn requests(registry: &mut Registry, traffic: &Traffic) {
    let by_code = traffic
        .statuses()
        .map(|(code, count)| (code.to_string(), count));
    counters(
        registry,
        "http_requests",
        "Answers of the data interface",
        "code",
        by_code,
    );
    let by_kind = traffic
        .failures()
        .map(|(kind, count)| (kind.to_owned(), count));
    counters(
        registry,
        "request_failures",
        "Requests not answered as asked",
        "kind",
        by_kind,
    );
}

fn counters(
    registry: &mut Registry,
    name: &str,
    help: &str,
    label: &'static str,
    values: impl Iterator<Item = (String, u64)>,
) {
    use prometheus_client::metrics::counter::Counter;
    let family = Family::<Label, Counter>::default();
    for (value, count) in values {
        family.get_or_create(&[(label, value)]).inc_by(count);
    }
    registry.register(name, help, family);
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use node_engines::LogIndex;
    use node_engines::kv::{self, Revision};
    use node_storage::Digest;

    use super::*;

    const HISTORY: History = History {
        compacted: Revision(5),
        last: Revision(9),
        bytes: 0,
        sweepable: 0,
    };

    const ROOM: Room<'_> = Room {
        bytes: 4096,
        quota_bytes: 8192,
        alarms: &[kv::Alarm {
            kind: kv::AlarmKind::NoSpace,
            member: 0xa1,
        }],
    };

    #[test]
    fn metrics_have_names_that_stay() {
        let status = NodeStatus {
            log: node_replication::Status {
                role: Role::Leader,
                term: 7,
                ..Default::default()
            },
            position: None,
            digest: (LogIndex(0), Digest::ZERO),
            open: true,
            intended_voters: None,
            removed: Default::default(),
            ready: Ok(()),
            failure: None,
            space: Some(node_host::Space {
                available_bytes: 1,
                total_bytes: 2,
            }),
            fenced: false,
            commits: Some(true),
            canaries: crate::status::Canaries { made: 4, failed: 1 },
            disk_full: false,
            stamp_ahead_millis: 61_500,
            keys: 3,
            version: String::new(),
        };
        let traffic = Traffic::default();
        traffic.count_status(201);
        let text = text(&status, &traffic, &HISTORY, &ROOM, Some(7)).unwrap();
        for line in [
            "kluster_role{role=\"leader\"} 1",
            "kluster_role{role=\"follower\"} 0",
            "etcd_server_is_leader 1",
            "etcd_debugging_mvcc_current_revision 9",
            "etcd_debugging_mvcc_compact_revision 5",
            "etcd_mvcc_db_total_size_in_bytes 4096",
            "etcd_mvcc_db_total_size_in_use_in_bytes 4096",
            "etcd_server_quota_backend_bytes 8192",
            "etcd_debugging_server_alarms{server_id=\"a1\",alarm_type=\"NOSPACE\"} 1",
            "kluster_state_bytes 7",
            "kluster_term 7",
            "kluster_ready 1",
            "kluster_keys 3",
            "kluster_fenced 0",
            "kluster_commits 1",
            "kluster_canaries_total 4",
            "kluster_canaries_failed_total 1",
            "kluster_stamp_ahead_seconds 61",
            "kluster_proposals_total 0",
            "kluster_http_requests_total{code=\"201\"} 1",
            "kluster_request_failures_total{kind=\"unknown\"} 0",
            "kluster_fsync_microseconds{quantile=\"0.99\"} 0",
        ] {
            assert!(
                text.lines().any(|found| found == line),
                "{line} is not in\n{text}"
            );
        }
        let known = names(text.lines().filter(|line| !line.starts_with('#')));
        for (file, told) in [("alerts.yaml", ALERTS), ("dashboard.json", DASHBOARD)] {
            let used = names(told.lines());
            let ours = used
                .iter()
                .filter(|name| !name.starts_with("kluster_operator_"));
            assert!(
                ours.clone().count() > 5,
                "{file} names few metrics: {used:?}"
            );
            let lost: Vec<_> = ours.filter(|name| !known.contains(*name)).collect();
            assert!(lost.is_empty(), "{file} names what no node has: {lost:?}");
        }
    }

    const ALERTS: &str = include_str!("../../../../charts/kluster/files/alerts.yaml");
    const DASHBOARD: &str = include_str!("../../../../charts/kluster/files/dashboard.json");

    /// Every word that is the name of a metric of this house.
    fn names<'a>(lines: impl Iterator<Item = &'a str>) -> BTreeSet<&'a str> {
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
        lines
            .flat_map(|line| line.split(move |c| !word(c)))
            .filter(|word| word.starts_with("kluster_"))
            .collect()
    }
}
