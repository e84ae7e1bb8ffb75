//! Everything the program reads from its environment.

/// What differs from pod to pod, and so cannot stand in a config file that all share.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Environment {
    /// `KLUSTER_BIND_HOST`: stands in for `listen.host`.
    pub bind_host: Option<String>,
    /// `KLUSTER_ADVERTISE_HOST`: stands in for `advertise.host`.
    pub advertise_host: Option<String>,
    /// `POD_NAME`: the name of this node's pod, and of its ClusterNode.
    pub pod_name: Option<String>,
    /// `POD_UID`: which of the pods that ever had this name.
    pub pod_uid: Option<String>,
    /// `RUST_LOG`: what is logged.
    pub log: Option<String>,
}

impl Environment {
    /// The environment of this process; empty variables count as absent.
    pub fn of_process() -> Self {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Self {
            bind_host: variable("KLUSTER_BIND_HOST"),
            advertise_host: variable("KLUSTER_ADVERTISE_HOST"),
            pod_name: variable("POD_NAME"),
            pod_uid: variable("POD_UID"),
            log: variable("RUST_LOG"),
        }
    }
}
