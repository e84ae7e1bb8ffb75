//! Some of the same numbers under the names that etcd gives them, for dashboards and alerts that people have.

use node_engines::History;
use node_replication::{LogId, Role};
use prometheus_client::registry::Registry;

use super::metrics::gauge;
use crate::status::NodeStatus;

/// Adds them to a registry of etcd's prefix. All are gauges, those too whose names end as counters' do, as with etcd.
pub fn add(
    registry: &mut Registry,
    status: &NodeStatus,
    history: &History,
    state_bytes: Option<u64>,
) {
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
    let Some(bytes) = state_bytes else {
        return;
    };
    let of_state = "Bytes that the state takes up on the disk";
    gauge(registry, "mvcc_db_total_size_in_bytes", of_state, bytes);
    gauge(
        registry,
        "mvcc_db_total_size_in_use_in_bytes",
        of_state,
        bytes,
    );
}
