//! Some of the same numbers under the names that etcd gives them, for dashboards and alerts that people have.

use node_engines::History;
use node_engines::kv::Alarm;
use node_replication::{LogId, Role};
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::metrics::gauge;
use crate::etcd::alarm_name;
use crate::status::NodeStatus;

/// What the keys take up, and may.
pub struct Room<'a> {
    pub bytes: u64,
    pub quota_bytes: u64,
    pub alarms: &'a [Alarm],
}

/// Two labels and their values.
type Labels = [(&'static str, String); 2];

/// Adds them to a registry of etcd's prefix. All are gauges, those too whose names end as counters' do, as with etcd.
pub fn add(registry: &mut Registry, status: &NodeStatus, history: &History, room: &Room<'_>) {
    let log = &status.log;
    let index = |id: Option<LogId>| id.map_or(0, |id| id.index);
    let flag = u64::from;
    for (name, help, value) in [
        (
            "server_has_leader",
            "1 while the node knows a leader",
            flag(log.leader.is_some()),
        ),
        (
            "server_is_leader",
            "1 while it leads",
            flag(log.role == Role::Leader),
        ),
        (
            "server_is_learner",
            "1 while it does not vote",
            flag(log.role == Role::Learner),
        ),
        (
            "server_proposals_committed_total",
            "Index of the last entry that it knows a majority to have",
            index(log.committed),
        ),
        (
            "server_proposals_applied_total",
            "Index of the last entry that it has applied",
            index(log.applied),
        ),
        (
            "debugging_mvcc_keys_total",
            "Keys that have a value",
            status.keys,
        ),
        (
            "debugging_mvcc_current_revision",
            "Revision of the last write",
            history.last.0,
        ),
        (
            "debugging_mvcc_compact_revision",
            "Revision that the history begins with",
            history.compacted.0,
        ),
    ] {
        gauge(registry, name, help, value);
    }
    add_room(registry, room);
}

fn add_room(registry: &mut Registry, room: &Room<'_>) {
    let Room {
        bytes,
        quota_bytes,
        alarms,
    } = *room;
    let help = "Bytes that the keys may take up";
    gauge(registry, "server_quota_backend_bytes", help, quota_bytes);
    let help = "Bytes that the keys and their history take up, which the quota bounds";
    gauge(registry, "mvcc_db_total_size_in_bytes", help, bytes);
    let help = "The same: what is given up makes room by itself";
    gauge(registry, "mvcc_db_total_size_in_use_in_bytes", help, bytes);
    let labels = |alarm: &Alarm| -> Labels {
        let kind = alarm_name(alarm.kind).to_owned();
        [
            ("server_id", format!("{:x}", alarm.member)),
            ("alarm_type", kind),
        ]
    };
    let family = Family::<Labels, Gauge>::default();
    for alarm in alarms {
        family.get_or_create(&labels(alarm)).set(1);
    }
    registry.register(
        "debugging_server_alarms",
        "1 for each alarm that is active",
        family,
    );
}
