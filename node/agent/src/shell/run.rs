//! Starting and stopping an agent.

use std::future::Future;

use node_api::AdminClient;

use super::{calls, work};
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
        never = work::Shell::new(config, client, admin).work() => match never {},
        () = stop => Ok(()),
    }
}
