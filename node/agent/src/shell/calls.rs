//! The one write that an agent makes, and the client it makes it with.

use std::time::Duration;

use crds::{ClusterNode, ClusterNodeStatus};
use kube::api::{Api, Patch, PatchParams};
use kube::{Client, Config, Resource};

use crate::config::RunError;

/// Who writes the status, as the API server records it.
const FIELD_MANAGER: &str = "kluster-agent";
/// How long a write may take.
const WRITE_WITHIN: Duration = Duration::from_secs(5);
/// How long connecting may take.
const CONNECT_WITHIN: Duration = Duration::from_secs(5);
/// How long an answer may stay silent; longer than a watch, which the server ends after a minute.
const READ_WITHIN: Duration = Duration::from_secs(70);

/// Why a status was not written.
#[derive(Debug, thiserror::Error)]
pub enum ReportError {
    /// The API server did not take it.
    #[error("failed to write the status")]
    Write(#[source] kube::Error),
    /// No answer came in time; it may have been written.
    #[error("failed to write the status: no answer within {} s", WRITE_WITHIN.as_secs())]
    Slow,
}

/// A client that does not repeat calls by itself: what it would write is old by then.
pub async fn client() -> Result<Client, RunError> {
    let mut config = Config::infer()
        .await
        .map_err(|error| RunError::Infer(Box::new(error)))?;
    config.connect_timeout = Some(CONNECT_WITHIN);
    config.read_timeout = Some(READ_WITHIN);
    config.write_timeout = Some(WRITE_WITHIN);
    config.default_retry = false;
    Client::try_from(config).map_err(|error| RunError::Client(Box::new(error)))
}

/// Server-side apply of the whole status: a field that is absent now was true before, and goes.
pub async fn report(
    nodes: Api<ClusterNode>,
    name: String,
    status: ClusterNodeStatus,
) -> Result<(), ReportError> {
    let patch = Patch::Apply(serde_json::json!({
        "apiVersion": ClusterNode::api_version(&()),
        "kind": ClusterNode::kind(&()),
        "metadata": { "name": name },
        "status": status,
    }));
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let write = nodes.patch_status(&name, &params, &patch);
    match tokio::time::timeout(WRITE_WITHIN, write).await {
        Ok(Ok(_written)) => Ok(()),
        Ok(Err(error)) => Err(ReportError::Write(error)),
        Err(_elapsed) => Err(ReportError::Slow),
    }
}
