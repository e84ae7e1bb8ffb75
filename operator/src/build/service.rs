//! The two ways to the nodes: one for clients, and the headless one by which peers know each other's names, ready
//! or not.

use crds::{labels, names};
use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::all::Wanted;
use super::pod::{ADMIN_PORT, ETCD_PORT, HTTP_PORT, METRICS_PORT, PEER_PORT};

fn port(name: &str, number: i32) -> ServicePort {
    ServicePort {
        name: Some(name.to_owned()),
        port: number,
        target_port: Some(IntOrString::String(name.to_owned())),
        protocol: Some("TCP".to_owned()),
        ..ServicePort::default()
    }
}

/// The Service for clients: any ready node.
pub fn clients(wanted: &Wanted) -> Service {
    let cluster = &wanted.subject.name;
    Service {
        metadata: wanted.metadata(names::client_service(cluster)),
        spec: Some(ServiceSpec {
            selector: Some(labels::selector(cluster)),
            ports: Some(vec![
                port("http", HTTP_PORT),
                ServicePort {
                    target_port: Some(IntOrString::Int(ETCD_PORT)),
                    ..port("etcd", ETCD_PORT)
                },
            ]),
            type_: Some("ClusterIP".to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// The headless Service of the peers.
pub fn peers(wanted: &Wanted) -> Service {
    let cluster = &wanted.subject.name;
    Service {
        metadata: wanted.metadata(names::peers_service(cluster)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            publish_not_ready_addresses: Some(true),
            selector: Some(labels::selector(cluster)),
            ports: Some(vec![
                port("peers", PEER_PORT),
                port("admin", ADMIN_PORT),
                port("http", HTTP_PORT),
                port("metrics", METRICS_PORT),
            ]),
            type_: Some("ClusterIP".to_owned()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}
