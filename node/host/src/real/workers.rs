//! Work on OS threads of its own.

use futures::executor::block_on;
use futures::future::BoxFuture;

use crate::Workers as Contract;

/// One OS thread for each piece of work, and those of tokio for short ones.
#[derive(Debug)]
pub struct Workers;

impl Contract for Workers {
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>) {
        let thread = std::thread::Builder::new().name(name.to_owned());
        if let Err(error) = thread.spawn(move || block_on(work)) {
            tracing::error!(name, %error, "failed to start a worker thread");
        }
    }

    fn lend(&self, work: Box<dyn FnOnce() + Send>) {
        // Whoever waits for the work has a channel for it.
        drop(tokio::task::spawn_blocking(work));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn work_runs_on_a_named_thread_of_its_own() {
        let (tell, told) = futures::channel::oneshot::channel();
        Workers.spawn(
            "log",
            Box::pin(async move {
                let thread = std::thread::current();
                let name = thread.name().map(str::to_owned);
                tell.send((thread.id(), name)).expect("the test waits");
            }),
        );
        let (id, name) = block_on(told).expect("the work ran");
        assert_eq!(name.as_deref(), Some("log"));
        assert_ne!(id, std::thread::current().id());
    }
}
