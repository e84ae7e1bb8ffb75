//! The loop of what serves the Kubernetes of a test-bed: look whenever something changed, do what is to be done.

use std::fmt::Debug;
use std::time::Duration;

use anyhow::{Context, Result};
use futures::stream::{self, BoxStream};
use futures::{StreamExt, TryStreamExt};
use kube::api::Api;
use kube::runtime::{WatchStreamExt, watcher};
use kube::{Client, Resource};
use serde::de::DeserializeOwned;

use super::layout::Layout;
use super::secrets;
use crate::kubeconfig;

/// Changes that are answered with one look.
const CHANGES_MAX: usize = 256;
/// When what was left undone (a volume still in use, an API server that is away) is tried again.
const AGAIN_AFTER: Duration = Duration::from_secs(1);

/// Something changed, or a watch failed and begins anew; what, the next look tells.
pub type Changes = BoxStream<'static, ()>;

/// A client for the daemon of that name.
pub async fn client(layout: &Layout, daemon: &str) -> Result<Client> {
    let config = kubeconfig::load(&secrets::of(layout, daemon)).await?;
    Client::try_from(config).context("failed to make a client")
}

/// The changes of all objects of a kind.
pub fn changes<K>(client: &Client) -> Changes
where
    K: Resource<DynamicType = ()> + Clone + Debug + DeserializeOwned + Send + 'static,
{
    let all = watcher(Api::<K>::all(client.clone()), watcher::Config::default());
    let told = all
        .default_backoff()
        .map_ok(drop)
        .map(|change: Result<(), _>| {
            if let Err(error) = change {
                eprintln!("a watch failed and begins anew: {error}");
            }
        });
    told.boxed()
}

/// Looks at the start and after each change, until the process is killed; `look` says whether something was left undone.
///
/// # Errors
/// When the watches end, which they do not.
pub async fn look_on_change(
    changes: Vec<Changes>,
    mut look: impl AsyncFnMut() -> Result<bool>,
) -> Result<()> {
    let mut changes = stream::select_all(changes).ready_chunks(CHANGES_MAX);
    loop {
        let undone = look().await.unwrap_or_else(|error| {
            eprintln!("{error:#}");
            true
        });
        let change = changes.next();
        let changed = if undone {
            // A change may be what was waited for; without one it is time alone.
            tokio::time::timeout(AGAIN_AFTER, change).await
        } else {
            Ok(change.await)
        };
        if let Ok(None) = changed {
            anyhow::bail!("the watches ended");
        }
    }
}
