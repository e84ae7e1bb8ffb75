//! The network lets through to a node what its policy names, and nothing else.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use e2e::promise::{Cluster, Writer};
use e2e::testbed::BUSYBOX;
use e2e::wait;
use serde_json::{Value, json};

use super::fault_turn;

/// How long a policy may take until it is in force.
const IN_FORCE_WITHIN: Duration = Duration::from_secs(30);
/// Ports of a node: peers, admin, clients, metrics.
const PORTS: [u16; 4] = [6356, 6357, 8080, 2112];

fn busybox(name: &str, labels: &Value) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels},
        "spec": {
            "automountServiceAccountToken": false, "terminationGracePeriodSeconds": 0,
            "securityContext": {"runAsNonRoot": true, "runAsUser": 65532, "seccompProfile": {"type": "RuntimeDefault"}},
            "containers": [{
                "name": "c", "image": BUSYBOX, "imagePullPolicy": "Never", "command": ["sleep", "3600"],
                "securityContext": {"allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]}},
            }],
        },
    })
}

/// The ports of `address` that `pod` can connect to.
fn open_ports(cluster: &Cluster, pod: &str, address: &str) -> Result<Vec<u16>> {
    let try_port = |port: &u16| {
        let script =
            format!("nc -w 2 {address} {port} < /dev/null > /dev/null && echo open || true");
        Ok((
            *port,
            cluster.kubectl(&["exec", pod, "--", "sh", "-c", &script])?,
        ))
    };
    let tried: Result<Vec<(u16, String)>> = PORTS.iter().map(try_port).collect();
    let open = tried?.into_iter().filter(|(_, said)| said == "open");
    Ok(open.map(|(port, _)| port).collect())
}

#[tokio::test(flavor = "multi_thread")]
async fn strangers_reach_metrics_and_clients_reach_data_and_nobody_else_anything() -> Result<()> {
    let Some((_turn, place, _bed)) = fault_turn().await? else {
        return Ok(());
    };
    let cluster = Cluster::in_namespace(&place, "e2e-network")?;
    cluster.apply(3)?;
    let client = json!({"role": "client"});
    cluster.change(
        &json!({"networkPolicy": {"allowFrom": [{"podSelector": {"matchLabels": client}}]}}),
    )?;
    for pod in [busybox("client", &client), busybox("stranger", &json!({}))] {
        cluster.kubectl_tell(&["apply", "-f", "-"], &pod.to_string())?;
    }
    cluster.until_ready(3).await?;
    cluster.kubectl(&[
        "wait",
        "pod/client",
        "pod/stranger",
        "--for=condition=Ready",
        "--timeout=60s",
    ])?;
    let writer = Writer::start(&cluster).await?;
    let pod = cluster.pods()?.first().context("a node")?.clone();
    let address = cluster.field(&format!("pod/{pod}"), ".status.podIP")?;

    wait::until("the client is let through", IN_FORCE_WITHIN, async || {
        Ok(open_ports(&cluster, "client", &address)? == [8080, 2112])
    })
    .await?;
    let strangers = open_ports(&cluster, "stranger", &address)?;
    ensure!(strangers == [2112], "a stranger reaches {strangers:?}");

    cluster.change(&json!({"networkPolicy": {"enabled": false}}))?;
    wait::until("no policy, no bounds", IN_FORCE_WITHIN, async || {
        Ok(open_ports(&cluster, "stranger", &address)? == PORTS)
    })
    .await?;
    writer.finish(3).await?;
    cluster.clear()
}
