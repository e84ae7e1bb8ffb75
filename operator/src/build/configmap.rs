//! The ConfigMap: the nodes' config file, and the list of ClusterNodes that their agents watch one by one.

use std::collections::BTreeMap;

use crds::{NodeConfig, RaftConfig, names};
use k8s_openapi::api::core::v1::ConfigMap;

use super::all::{Origin, Wanted};
use super::kv;
use super::pod::{ADMIN_PORT, DATA_DIR, HTTP_PORT, KEY_DIR, METRICS_PORT, PEER_PORT};

/// The config file of every node. What differs from node to node comes from the pod's environment.
pub fn node_config(origin: Origin) -> String {
    let key = names::CLUSTER_KEY;
    let (name, namespace) = (&origin.subject.name, &origin.subject.namespace);
    let settings = settings(&origin.validated.config);
    let kv = kv::sections(&origin.validated.kv);
    format!(
        r#"data_dir = "{DATA_DIR}"
cluster_key_file = "{KEY_DIR}/{key}"

[listen]
host = "0.0.0.0"
http_port = {HTTP_PORT}
admin_port = {ADMIN_PORT}
peer_port = {PEER_PORT}
metrics_port = {METRICS_PORT}

[kubernetes]
cluster = "{name}"
namespace = "{namespace}"
{settings}{kv}"#
    )
}

/// What the spec sets; nothing of it where it says nothing, so that such a file stays as it is.
fn settings(config: &NodeConfig) -> String {
    let mut text = String::new();
    if let Some(RaftConfig {
        heartbeat_ms,
        election_min_ms,
        election_max_ms,
    }) = config.raft
    {
        text.push_str(&format!(
            "\n[raft]\nheartbeat_ms = {heartbeat_ms}\nelection_min_ms = {election_min_ms}\nelection_max_ms = {election_max_ms}\n"
        ));
    }
    let log = config.log.clone().unwrap_or_default();
    let lines: String = [
        ("snapshot_every_entries", log.snapshot_every_entries),
        ("keep_entries", log.keep_entries),
    ]
    .into_iter()
    .filter_map(|(key, value)| Some(format!("{key} = {}\n", value?)))
    .collect();
    if !lines.is_empty() {
        text.push_str(&format!("\n[log]\n{lines}"));
    }
    text
}

/// The ConfigMap.
pub fn config_map(wanted: &Wanted, config: &str) -> ConfigMap {
    let nodes = wanted
        .node_names()
        .fold(String::new(), |list, name| format!("{list}{name}\n"));
    ConfigMap {
        metadata: wanted.metadata(names::config_map(&wanted.subject.name)),
        data: Some(BTreeMap::from([
            (names::CONFIG_FILE.to_owned(), config.to_owned()),
            (names::NODES_KEY.to_owned(), nodes),
        ])),
        ..ConfigMap::default()
    }
}
