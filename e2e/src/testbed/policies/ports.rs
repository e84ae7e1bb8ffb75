//! The ports of a rule, as nftables matches them.

use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::networking::v1::NetworkPolicyPort;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

/// The matches of a rule's ports on `pod`, any one of which must hold; the empty match where every port is meant.
/// A name that the pod does not give to a port matches nothing, as in Kubernetes.
pub fn matches(ports: Option<&Vec<NetworkPolicyPort>>, pod: &Pod) -> Vec<String> {
    match ports {
        Some(ports) if !ports.is_empty() => {
            ports.iter().filter_map(|port| of_port(port, pod)).collect()
        }
        _ => vec![String::new()],
    }
}

fn of_port(port: &NetworkPolicyPort, pod: &Pod) -> Option<String> {
    let protocol = port.protocol.as_deref().unwrap_or("TCP");
    let word = protocol.to_lowercase();
    let number = match &port.port {
        None => return Some(format!("meta l4proto {word} ")),
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(name)) => named(pod, name, protocol)?,
    };
    Some(match port.end_port {
        Some(end) => format!("{word} dport {number}-{end} "),
        None => format!("{word} dport {number} "),
    })
}

fn named(pod: &Pod, name: &str, protocol: &str) -> Option<i32> {
    let containers = &pod.spec.as_ref()?.containers;
    let mut ports = containers.iter().flat_map(|it| it.ports.iter().flatten());
    let found = ports.find(|port| {
        port.name.as_deref() == Some(name) && port.protocol.as_deref().unwrap_or("TCP") == protocol
    });
    found.map(|port| port.container_port)
}
