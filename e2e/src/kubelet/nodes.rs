//! The Node objects of the stand-in: one a zone, kept alive by their Leases.

use anyhow::{Context, Result};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::MicroTime;
use k8s_openapi::jiff::Timestamp;
use kube::Api;
use kube::api::{Patch, PatchParams, PostParams};
use serde_json::json;
use std::time::Duration;

use super::shared::{LABEL, Shared};
use super::status::now;
use crate::wait;

/// Label of a node's zone.
pub(super) const ZONE: &str = "topology.kubernetes.io/zone";
/// Label of a node's own name.
pub(super) const HOSTNAME: &str = "kubernetes.io/hostname";
/// How often the Leases are renewed, as a kubelet does.
pub(super) const RENEW_EVERY: Duration = Duration::from_secs(10);
const LEASE_SECONDS: i32 = 40;
const LEASES: &str = "kube-node-lease";
const READY_WITHIN: Duration = Duration::from_secs(60);
const MANAGER: &str = "stand-in-kubelet";

/// Registers one node for each zone and waits until pods may go there.
pub(super) async fn register(shared: &Shared, zones: &[String]) -> Result<Vec<String>> {
    let nodes = Api::<Node>::all(shared.client.clone());
    let mut names = Vec::new();
    for zone in zones {
        let name = format!("{}-{zone}", shared.namespace);
        renew(shared, &name).await?;
        nodes
            .create(&PostParams::default(), &node(shared, &name, zone)?)
            .await
            .with_context(|| format!("failed to register the node {name}"))?;
        names.push(name);
    }
    wait::until("the nodes take pods", READY_WITHIN, async || {
        for name in &names {
            let spec = nodes.get(name).await?.spec.unwrap_or_default();
            if spec.taints.is_some_and(|taints| !taints.is_empty()) {
                return Ok(false);
            }
        }
        Ok(true)
    })
    .await?;
    Ok(names)
}

/// Renews the Lease of a node.
pub(super) async fn renew(shared: &Shared, node: &str) -> Result<()> {
    let leases = Api::<Lease>::namespaced(shared.client.clone(), LEASES);
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": node},
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": MicroTime(Timestamp::now()),
        },
    });
    leases
        .patch(
            node,
            &PatchParams::apply(MANAGER).force(),
            &Patch::Apply(lease),
        )
        .await
        .with_context(|| format!("failed to renew the lease of {node}"))?;
    Ok(())
}

/// Takes the nodes away again.
pub(super) async fn remove(shared: &Shared, names: &[String]) -> Result<()> {
    let nodes = Api::<Node>::all(shared.client.clone());
    for name in names {
        nodes
            .delete(name, &Default::default())
            .await
            .with_context(|| format!("failed to remove the node {name}"))?;
    }
    Ok(())
}

fn node(shared: &Shared, name: &str, zone: &str) -> Result<Node> {
    let resources = json!({
        "cpu": "64", "memory": "256Gi", "pods": "250", "ephemeral-storage": "1Ti",
    });
    let node = json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {
                (HOSTNAME): name,
                (ZONE): zone,
                (LABEL): shared.namespace,
                "kubernetes.io/os": "linux",
            },
        },
        "status": {
            "addresses": [
                {"type": "InternalIP", "address": shared.addresses.node().to_string()},
                {"type": "Hostname", "address": name},
            ],
            "capacity": resources,
            "allocatable": resources,
            "conditions": [{
                "type": "Ready",
                "status": "True",
                "reason": "KubeletReady",
                "message": "the stand-in kubelet is ready",
                "lastHeartbeatTime": now(),
                "lastTransitionTime": now(),
            }],
        },
    });
    serde_json::from_value(node).context("failed to describe a node")
}
