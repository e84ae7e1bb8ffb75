//! What the metrics port tells of a Cluster, from its first pass until it is gone.

use anyhow::{Context, Result};
use e2e::wait;
use kube::api::DeleteParams;
use operator::config::{Config, LeaseConfig, Pace};
use serde_json::json;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::oneshot;

use std::net::SocketAddr;
use std::time::Duration;

use super::stage::{Stage, WITHIN, manifest};
use crate::bed::OPERATOR;

/// What `/metrics` answers; nothing while nobody listens.
async fn served(address: SocketAddr) -> Result<String> {
    let Ok(mut stream) = TcpStream::connect(address).await else {
        return Ok(String::new());
    };
    let request = "GET /metrics HTTP/1.1\r\nhost: here\r\nconnection: close\r\n\r\n";
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer)
}

#[tokio::test]
async fn a_cluster_shows_while_it_exists() -> Result<()> {
    let stage = Stage::set("metrics").await?;
    let probe = TcpListener::bind("127.0.0.1:0").await?;
    let address = probe.local_addr()?;
    drop(probe);
    let access = stage.control_plane.config_as("metrics", OPERATOR).await?;
    let config = Config {
        watch_namespace: Some("metrics".to_owned()),
        metrics_address: Some(address),
        lease: Some(LeaseConfig::lasting(
            Duration::from_secs(6),
            "metrics",
            OPERATOR,
        )),
        identity: "measured".to_owned(),
        pace: Pace::default(),
    };
    let (stop, stopped) = oneshot::channel::<()>();
    let stopped = async move { drop(stopped.await) };
    let running = tokio::spawn(operator::run(operator::client(access)?, config, stopped));
    let until = async |what: &str, holds: fn(&str) -> bool| {
        wait::until(what, WITHIN, async || Ok(holds(&served(address).await?))).await
    };

    stage.apply(&manifest("demo", 3)).await?;
    until("it is told to be not ready", |text| {
        text.contains(r#"cluster_condition{namespace="metrics",name="demo",condition="Ready"} 0"#)
            && text.contains(r#"cluster_nodes_desired{namespace="metrics",name="demo"} 3"#)
    })
    .await?;
    stage.play_until_ready("demo").await?;
    until("it is told to be ready", |text| {
        text.contains(r#"cluster_condition{namespace="metrics",name="demo",condition="Ready"} 1"#)
            && text.contains(r#"cluster_nodes_ready{namespace="metrics",name="demo"} 3"#)
            && text.contains(r#"cluster_voters{namespace="metrics",name="demo"} 3"#)
            && text.contains(r#"writes_total{verb="tell",kind="Event"}"#)
    })
    .await?;

    // One that cannot be read shows too, and one that is gone does not, whatever it left behind.
    let mut unreadable = manifest("odd", 1);
    unreadable["spec"]["podTemplate"] =
        json!({ "spec": { "containers": [{ "name": "node", "imagePullPolicies": "Always" }] } });
    stage.apply(&unreadable).await?;
    until("another is told to be invalid", |text| {
        text.contains(r#"name="odd",condition="SpecValid"} 0"#)
    })
    .await?;
    for name in ["demo", "odd"] {
        stage
            .clusters
            .delete(name, &DeleteParams::default())
            .await?;
    }
    until("both are gone", |text| {
        text.contains("kluster_operator_leads 1") && !text.contains("name=\"")
    })
    .await?;
    stop.send(()).ok().context("the operator ended by itself")?;
    Ok(running.await??)
}
