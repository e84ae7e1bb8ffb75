//! Who may reach the nodes: each other on every port, clients on theirs, everyone the metrics.

use crds::{labels, names};
use k8s_openapi::api::networking::v1::{
    NetworkPolicy, NetworkPolicyIngressRule, NetworkPolicyPeer, NetworkPolicyPort,
    NetworkPolicySpec,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::all::Wanted;
use super::pod::{ADMIN_PORT, ETCD_PORT, HTTP_PORT, METRICS_PORT, PEER_PORT};

/// The policy, where one is wanted.
pub fn network_policy(wanted: &Wanted) -> Option<NetworkPolicy> {
    let network = wanted.validated.network.as_ref()?;
    let cluster = &wanted.subject.name;
    let pods = || LabelSelector {
        match_labels: Some(labels::selector(cluster)),
        match_expressions: None,
    };
    let peers = NetworkPolicyPeer {
        pod_selector: Some(pods()),
        namespace_selector: None,
        ip_block: None,
    };
    let clients = Some(network.allow_from.clone()).filter(|from| !from.is_empty());
    Some(NetworkPolicy {
        metadata: wanted.metadata(names::network_policy(cluster)),
        spec: Some(NetworkPolicySpec {
            pod_selector: Some(pods()),
            policy_types: Some(vec!["Ingress".to_owned()]),
            ingress: Some(vec![
                rule(&[PEER_PORT, ADMIN_PORT, HTTP_PORT], Some(vec![peers])),
                rule(&[HTTP_PORT, ETCD_PORT], clients),
                rule(&[METRICS_PORT], None),
            ]),
            egress: None,
        }),
    })
}

fn rule(ports: &[i32], from: Option<Vec<NetworkPolicyPeer>>) -> NetworkPolicyIngressRule {
    let port = |number: &i32| NetworkPolicyPort {
        port: Some(IntOrString::Int(*number)),
        protocol: Some("TCP".to_owned()),
        end_port: None,
    };
    NetworkPolicyIngressRule {
        from,
        ports: Some(ports.iter().map(port).collect()),
    }
}
