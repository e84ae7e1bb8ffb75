//! `kluster-operator`: reads its environment, and runs until it is told to stop.

use anyhow::Context;
use operator::config::{self, Config};
use tokio::signal::unix::{SignalKind, signal};

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    tracing_subscriber::fmt()
        .with_env_filter(config::log_filter())
        .with_writer(std::io::stderr)
        .init();
    let config = Config::from_env().context("failed to read the environment")?;
    let access = kube::Config::infer()
        .await
        .context("failed to find an API server")?;
    let client = operator::client(access).context("failed to make a client")?;
    let mut terminate = signal(SignalKind::terminate()).context("failed to listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("failed to listen for SIGINT")?;
    let stop = async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
    };
    operator::run(client, config, stop)
        .await
        .context("failed to run")
}
