//! Carries out what [`decide`](crate::decide) says: watches, calls with a time limit, and waits after failures.
//!
//! Everything runs in one task: the watches are streams of a map, the calls under way futures of a set, so that
//! dropping the agent ends all of it.

mod admin;
mod agent;
mod backoff;
mod calls;
mod outage;
mod watches;

use std::future::Future;

use node_api::AdminClient;

use crate::config::{Config, RunError};

/// Watches, decides and acts until `stop` is ready.
///
/// The API server is found as kubectl finds it (`KUBECONFIG` first), otherwise by the pod's own token. Once started, nothing
/// ends an agent but `stop`: an API server that is away is waited for, a node that refuses is asked again.
pub async fn run(config: Config, stop: impl Future<Output = ()>) -> Result<(), RunError> {
    let admin = AdminClient::lazy(&config.admin_endpoint, &config.cluster_key)
        .map_err(|error| RunError::Admin(Box::new(error)))?;
    let client = calls::client().await?;
    tokio::select! {
        never = agent::Agent::new(config, client, admin).work() => match never {},
        () = stop => Ok(()),
    }
}
