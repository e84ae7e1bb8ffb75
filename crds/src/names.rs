//! Names of everything that belongs to a Cluster. A Cluster's name has at most 40 characters and a zone's at most
//! 11 without a dash, so that every name fits and none can be read as another's.

/// Zone of a Cluster without zones.
pub const DEFAULT_ZONE: &str = "default";
/// Name of the volume claim template, and of the volume.
pub const DATA_VOLUME: &str = "data";
/// Key in the ConfigMap: the node's config file.
pub const CONFIG_FILE: &str = "node.toml";
/// Key in the ConfigMap: the names of all ClusterNodes, one a line.
pub const NODES_KEY: &str = "nodes";
/// Key in the Secret: what peers and administrators prove to know.
pub const CLUSTER_KEY: &str = "cluster-key";

/// StatefulSet of one zone.
pub fn stateful_set(cluster: &str, zone: &str) -> String {
    format!("{cluster}-{zone}")
}

/// A pod, its ClusterNode and its host name.
pub fn pod(cluster: &str, zone: &str, ordinal: u32) -> String {
    format!("{cluster}-{zone}-{ordinal}")
}

/// Volume claim of a pod.
pub fn volume_claim(pod: &str) -> String {
    format!("{DATA_VOLUME}-{pod}")
}

/// The pod that a volume claim belongs to.
pub fn pod_of_volume_claim(claim: &str) -> Option<&str> {
    claim.strip_prefix(DATA_VOLUME)?.strip_prefix('-')
}

/// Zone and ordinal in the name of a pod of `cluster`.
pub fn zone_and_ordinal<'a>(cluster: &str, pod: &'a str) -> Option<(&'a str, u32)> {
    let (zone, ordinal) = pod
        .strip_prefix(cluster)?
        .strip_prefix('-')?
        .split_once('-')?;
    let canonical = !zone.is_empty() && (ordinal == "0" || !ordinal.starts_with('0'));
    let digits = ordinal.bytes().all(|b| b.is_ascii_digit());
    if !canonical || !digits {
        return None;
    }
    Some((zone, ordinal.parse().ok()?))
}

/// ConfigMap with the config file and the list of nodes.
pub fn config_map(cluster: &str) -> String {
    cluster.to_owned()
}

/// Secret with the cluster key.
pub fn key_secret(cluster: &str) -> String {
    format!("{cluster}-key")
}

/// Service for clients.
pub fn client_service(cluster: &str) -> String {
    format!("{cluster}-client")
}

/// Headless Service by which peers find each other.
pub fn peers_service(cluster: &str) -> String {
    format!("{cluster}-peers")
}

/// ServiceAccount, Role and RoleBinding of the nodes.
pub fn node_account(cluster: &str) -> String {
    format!("{cluster}-node")
}

/// PodDisruptionBudget over all nodes.
pub fn disruption_budget(cluster: &str) -> String {
    cluster.to_owned()
}

/// NetworkPolicy of all nodes.
pub fn network_policy(cluster: &str) -> String {
    cluster.to_owned()
}
