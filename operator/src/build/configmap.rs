//! The ConfigMap: the nodes' config file, and the list of ClusterNodes that their agents watch one by one.

use std::collections::BTreeMap;

use crds::names;
use k8s_openapi::api::core::v1::ConfigMap;

use super::all::Wanted;
use super::pod::{ADMIN_PORT, DATA_DIR, HTTP_PORT, KEY_DIR, METRICS_PORT, PEER_PORT};

/// The config file of every node. What differs from node to node comes from the pod's environment.
pub fn node_config(wanted: &Wanted) -> String {
    let key = names::CLUSTER_KEY;
    let (name, namespace) = (&wanted.subject.name, &wanted.subject.namespace);
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
"#
    )
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
