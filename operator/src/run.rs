//! The whole operator: health port, election, and the controller while it leads.

use std::time::Duration;

use k8s_openapi::apimachinery::pkg::version::Info;
use kube::Client;
use tokio::net::TcpListener;
use tokio::time::{sleep, timeout};

use crate::config::Config;
use crate::controller::{Context, control};
use crate::health::{self, Health};
use crate::lease::{Elector, Fence};
use crate::metrics::Metrics;
use crate::watches::Scope;

const ASK_AGAIN: Duration = Duration::from_secs(1);
const ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The operator could not start, or had to end.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// Its health port could not be opened or served.
    #[error("failed to serve the health port {address}")]
    Health {
        /// Where.
        address: std::net::SocketAddr,
        /// Why.
        #[source]
        source: std::io::Error,
    },
}

/// Runs until `stop` completes. The lease is given back then; nothing is written after this returned.
pub async fn run(
    client: Client,
    config: Config,
    stop: impl Future<Output = ()> + Send,
) -> Result<(), RunError> {
    let metrics = Metrics::default();
    let health = Health::new(metrics.clone());
    let mut served = std::pin::pin!(serve(health.clone(), config.metrics_address));
    let mut work = std::pin::pin!(work(client, &config, metrics, health, stop));
    tokio::select! {
        failed = &mut served => failed,
        () = &mut work => Ok(()),
    }
}

async fn serve(health: Health, address: Option<std::net::SocketAddr>) -> Result<(), RunError> {
    let Some(address) = address else {
        return std::future::pending().await;
    };
    let failed = |source| RunError::Health { address, source };
    let listener = TcpListener::bind(address).await.map_err(failed)?;
    health::serve(health, listener).await.map_err(failed)
}

async fn work(
    client: Client,
    config: &Config,
    metrics: Metrics,
    health: Health,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = std::pin::pin!(stop);
    tokio::select! {
        () = &mut stop => return,
        _ = answered(&client) => health.ready(),
    }
    let scope = Scope {
        client: client.clone(),
        namespace: config.watch_namespace.clone(),
    };
    let lead = |fence: Fence| {
        let context = Context::new(client.clone(), fence, metrics.clone(), config);
        control(scope.clone(), context)
    };
    let Some(lease) = &config.lease else {
        metrics.leads(true);
        tokio::select! {
            () = &mut stop => {}
            () = lead(Fence::open()) => {}
        }
        return;
    };
    let mut elector = Elector::new(client.clone(), lease, &config.identity);
    loop {
        tokio::select! {
            () = &mut stop => break,
            () = elector.acquire() => {}
        }
        metrics.leads(true);
        let fence = elector.fence();
        let stopped = tokio::select! {
            () = &mut stop => true,
            () = elector.keep() => false,
            () = lead(fence) => false,
        };
        metrics.leads(false);
        if stopped {
            break;
        }
        tracing::warn!("stands by again");
    }
    if let Err(error) = elector.release().await {
        tracing::warn!(
            error = &error as &dyn std::error::Error,
            "failed to give the lease back"
        );
    }
}

/// Returns once the API server answers.
async fn answered(client: &Client) -> Info {
    loop {
        match timeout(ANSWER_WITHIN, client.apiserver_version()).await {
            Ok(Ok(version)) => return version,
            Ok(Err(error)) => tracing::warn!(
                error = &error as &dyn std::error::Error,
                "the API server does not answer"
            ),
            Err(_) => tracing::warn!("the API server did not answer in {ANSWER_WITHIN:?}"),
        }
        sleep(ASK_AGAIN).await;
    }
}
