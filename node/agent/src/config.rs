//! What an agent is told, and how it can fail to start.

/// Everything that an agent is told.
#[derive(Clone)]
pub struct Config {
    /// Name of the Cluster.
    pub cluster: String,
    /// Namespace of the Cluster.
    pub namespace: String,
    /// Name of this node's ClusterNode, that of its pod.
    pub node_name: String,
    /// UID of this node's pod; empty outside Kubernetes.
    pub pod_uid: String,
    /// Where the node's admin API listens, `host:port`.
    pub admin_endpoint: String,
    /// The key that the admin API asks for.
    pub cluster_key: Vec<u8>,
}

/// Why an agent could not start. Nothing that happens later stops it.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// The endpoint of the admin API is no `host:port`.
    #[error("failed to make a client of the node's admin API")]
    Admin(#[source] Box<node_api::CallError>),
    /// Neither a kubeconfig nor a pod's token says where the API server is.
    #[error("failed to find out where the API server is")]
    Infer(#[source] Box<kube::config::InferConfigError>),
    /// What they say cannot be used.
    #[error("failed to make a client of the API server")]
    Client(#[source] Box<kube::Error>),
}
