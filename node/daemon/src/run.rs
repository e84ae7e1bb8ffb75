//! The wiring of the real parts, and the life of the process: start, serve, leave.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use node_disk::{Disk, SetAside};
use node_host::Host;
use node_server::{Node, Prepared, Tls};
use node_storage::Storage;
use serde::Serialize;
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::time::timeout;
use tracing_subscriber::EnvFilter;

use crate::config::{Config, Kubernetes};
use crate::environment::Environment;
use crate::orders::Orders;

/// The folder of the state in the data folder.
const STATE: &str = "state";
/// Time to hand leadership over before leaving.
const HAND_OVER_WITHIN: Duration = Duration::from_secs(4);
/// Time to finish what is in flight after that.
const FINISH_WITHIN: Duration = Duration::from_secs(4);
/// Time to close the log after that. The three together stay below the ten seconds in which a node leaves.
const CLOSE_WITHIN: Duration = Duration::from_millis(1500);
/// What is logged unless `RUST_LOG` says otherwise. The log's core warns of each heartbeat that a dead peer does not answer;
/// the node itself says who leads. The agent itself says when the API server is away.
const LOG_USUALLY: &str = "info,openraft=error,kube_client=off";

/// Where the node listens, printed on standard output once it does.
#[derive(Serialize)]
struct Bound {
    http: String,
    etcd: String,
    admin: String,
    peers: String,
    metrics: String,
}

struct Listeners {
    http: TcpListener,
    etcd: TcpListener,
    admin: TcpListener,
    metrics: TcpListener,
}

/// Runs a node until it is told to leave (SIGTERM, SIGINT) or cannot go on.
///
/// # Errors
/// When the config, the disk or a listener is not usable, or with the failure that ended the node.
pub fn run(config: &Path) -> Result<()> {
    let environment = Environment::of_process();
    let (filter, unusable) = log_filter(environment.log.as_deref());
    let config = Config::load(config, environment)?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(io::stderr)
        .init();
    if let Some(why) = unusable {
        tracing::warn!(why, "RUST_LOG cannot be used; what is usual is logged");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .context("failed to start the async runtime")?;
    let ended = runtime.block_on(Box::pin(live(config)));
    // What still waits for a disk must not keep the process: its folder is as after a crash.
    runtime.shutdown_background();
    ended
}

/// What is to be logged, and what is wrong with what was asked for.
fn log_filter(asked_for: Option<&str>) -> (EnvFilter, Option<String>) {
    match asked_for.map(EnvFilter::try_new) {
        Some(Ok(filter)) => (filter, None),
        Some(Err(error)) => (EnvFilter::new(LOG_USUALLY), Some(error.to_string())),
        None => (EnvFilter::new(LOG_USUALLY), None),
    }
}

async fn live(config: Config) -> Result<()> {
    let mut orders = Orders::listen().context("failed to listen for signals")?;
    let config = Arc::new(config);
    // On a task of its own: opening a large state blocks its thread.
    let starting = tokio::spawn(start(config.clone()));
    let Running {
        _prepared,
        node,
        listeners,
        etcd_tls,
    } = tokio::select! {
        biased;
        signal = orders.leave() => {
            tracing::info!(signal, "leaving before the node has started");
            return Ok(());
        }
        started = starting => started.context("the start of the node died")??,
    };
    announce(&listeners, &node)?;
    let admin_endpoint = listeners.admin.local_addr()?.to_string();

    let stop = watch::Sender::new(false);
    let serving = tokio::spawn(serve(
        node.clone(),
        listeners,
        etcd_tls,
        config.cluster_key.clone(),
        stop.subscribe(),
    ));
    let agent = config.kubernetes.clone().map(|place| {
        tokio::spawn(run_agent(
            place,
            admin_endpoint,
            config.cluster_key.as_bytes().to_vec(),
            stop.subscribe(),
        ))
    });
    let failure = tokio::select! {
        reason = node.failed() => Some(reason),
        signal = orders.leave() => {
            tracing::info!(signal, "leaving");
            None
        }
    };
    node.announce_stop();
    if failure.is_none() {
        node.hand_over(HAND_OVER_WITHIN).await;
    }
    stop.send_replace(true);
    if timeout(FINISH_WITHIN, serving).await.is_err() {
        tracing::warn!("some requests were not finished in time");
    }
    if timeout(CLOSE_WITHIN, node.stop(Duration::ZERO))
        .await
        .is_err()
    {
        tracing::warn!("the log was not closed in time; the next start finds it as after a crash");
    }
    if let Some(agent) = agent {
        agent.abort();
    }
    match failure {
        Some(reason) => bail!("the node stopped: {reason}"),
        None => Ok(()),
    }
}

/// A node that has started, and where it will be served.
struct Running {
    /// The folder stays ours until the end of the process.
    _prepared: Prepared,
    node: Node,
    listeners: Listeners,
    etcd_tls: Option<Tls>,
}

async fn start(config: Arc<Config>) -> Result<Running> {
    let etcd_tls = config.etcd_tls.clone().map(Tls::load).transpose()?;
    let host = Host::real();
    let prepared = node_server::prepare(&host, &config.data_dir).await?;
    let listeners = bind(&config).await?;
    let storage: Arc<dyn Storage> = Arc::new(open_state(&config.data_dir)?);
    let node = Box::pin(node_server::start(host, storage, server_config(&config))).await?;
    Ok(Running {
        _prepared: prepared,
        node,
        listeners,
        etcd_tls,
    })
}

/// A state that does not open is a cache that is lost: it is set aside, and the log rebuilds it.
fn open_state(data_dir: &Path) -> Result<Disk> {
    let (disk, set_aside) = Disk::open_or_set_aside(&data_dir.join(STATE))?;
    if let SetAside::Yes { why } = set_aside {
        tracing::error!(%why, "the state did not open and was set aside; it is rebuilt from the last snapshot and the log");
    }
    Ok(disk)
}

fn server_config(config: &Config) -> node_server::Config {
    let replication = node_replication::Config {
        data_dir: config.data_dir.clone(),
        listen: format!("{}:{}", config.listen.host, config.listen.peer_port),
        advertise: format!("{}:{}", config.advertise_host, config.listen.peer_port),
        cluster_key: config.cluster_key.clone(),
        timing: config.timing,
        limits: config.limits.clone(),
    };
    node_server::Config {
        replication,
        limits: config.server_limits,
        version: env!("CARGO_PKG_VERSION").to_owned(),
        founding_level: node_server::FEATURE_LEVEL_MAX,
        access: config.access.clone(),
    }
}

async fn bind(config: &Config) -> Result<Listeners> {
    let host = config.listen.host.as_str();
    let at = async |what: &str, port: u16| {
        let bound = TcpListener::bind((host, port)).await;
        bound.with_context(|| format!("failed to listen for {what} at {host}:{port}"))
    };
    Ok(Listeners {
        http: at("HTTP", config.listen.http_port).await?,
        etcd: at("clients of etcd", config.listen.etcd_port).await?,
        admin: at("the admin API", config.listen.admin_port).await?,
        metrics: at("metrics", config.listen.metrics_port).await?,
    })
}

fn announce(listeners: &Listeners, node: &Node) -> Result<()> {
    let bound = Bound {
        http: listeners.http.local_addr()?.to_string(),
        etcd: listeners.etcd.local_addr()?.to_string(),
        admin: listeners.admin.local_addr()?.to_string(),
        peers: node.peer_listen_address().to_owned(),
        metrics: listeners.metrics.local_addr()?.to_string(),
    };
    println!("{}", serde_json::to_string(&bound)?);
    Ok(())
}

async fn serve(
    node: Node,
    listeners: Listeners,
    etcd_tls: Option<Tls>,
    cluster_key: node_replication::ClusterKey,
    stop: watch::Receiver<bool>,
) {
    let stopped = |mut stop: watch::Receiver<bool>| async move {
        // A sender that is gone says the same.
        stop.wait_for(|stop| *stop).await.ok();
    };
    let http = node_server::http::serve(node.clone(), listeners.http, stopped(stop.clone()));
    let health = node_server::health::serve(node.clone(), listeners.metrics, stopped(stop.clone()));
    let etcd_stop = stopped(stop.clone());
    let etcd = node_server::etcd::serve(node.clone(), listeners.etcd, etcd_tls, etcd_stop);
    let admin = node_server::admin::serve(node, listeners.admin, cluster_key, stopped(stop));
    let ((), (), etcd, admin) = tokio::join!(http, health, etcd, admin);
    if let Err(error) = etcd {
        tracing::error!(%error, "the API of etcd has ended");
    }
    if let Err(error) = admin {
        tracing::error!(%error, "the admin API has ended");
    }
}

async fn run_agent(
    place: Kubernetes,
    admin_endpoint: String,
    cluster_key: Vec<u8>,
    mut stop: watch::Receiver<bool>,
) {
    let config = node_agent::Config {
        cluster: place.cluster,
        namespace: place.namespace,
        node_name: place.pod_name,
        pod_uid: place.pod_uid,
        admin_endpoint,
        cluster_key,
    };
    let stopped = async move {
        stop.wait_for(|stop| *stop).await.ok();
    };
    if let Err(error) = node_agent::run(config, stopped).await {
        tracing::error!(%error, "the agent did not start; the node goes on without Kubernetes");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_filter_that_makes_no_sense_is_told_and_not_taken() {
        for (asked_for, filter, refused) in [
            (None, LOG_USUALLY, false),
            (
                Some("node_replication=debug"),
                "node_replication=debug",
                false,
            ),
            (Some("node_replication=loudest"), LOG_USUALLY, true),
        ] {
            let (found, unusable) = log_filter(asked_for);
            assert_eq!(found.to_string(), EnvFilter::new(filter).to_string());
            assert_eq!(unusable.is_some(), refused, "{asked_for:?}: {unusable:?}");
        }
    }
}
