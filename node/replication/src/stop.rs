//! The end of a node, as its tasks learn of it.

use tokio::sync::watch;

/// Returns when the node is to stop, or is gone.
pub async fn stopped(stop: &mut watch::Receiver<bool>) {
    // An error says that the node is gone.
    let _ = stop.wait_for(|stop| *stop).await;
}
