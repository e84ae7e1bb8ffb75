//! Work that blocks, off the tasks of the async runtime.

use std::io;

use node_host::Host;
use tokio::sync::oneshot;

/// Runs `work` on a worker of its own and waits for it. Fails only if the machine has no thread to give, or if the work died.
pub async fn run<T: Send + 'static>(
    host: &Host,
    name: &'static str,
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    let work = Box::pin(async move {
        // Whoever asked may have gone; then nobody wants the result.
        done.send(work.await).ok();
    });
    host.workers.spawn(name, work);
    result
        .await
        .map_err(|_| io::Error::other("the work was dropped before its end"))
}

/// Runs a short piece of work where blocking is allowed, and waits for it. Fails only if the work died, or the node ends.
pub async fn lend<T: Send + 'static>(
    host: &Host,
    work: impl FnOnce() -> T + Send + 'static,
) -> io::Result<T> {
    let (done, result) = oneshot::channel();
    host.workers.lend(Box::new(move || {
        // Whoever asked may have gone; then nobody wants the result.
        done.send(work()).ok();
    }));
    result
        .await
        .map_err(|_| io::Error::other("the work died before its end"))
}
