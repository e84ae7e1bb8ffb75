//! The contract of places where blocking is allowed.

use futures::future::BoxFuture;

/// Starts work that blocks (waits for disks, burns processor time) beside the tasks of the async runtime.
pub trait Workers: Send + Sync {
    /// Runs `work` to its end: on an OS thread of its own in production, as a task in the simulator.
    ///
    /// `work` must not need a tokio reactor or timer; channels are fine. It ends when its future ends, so its owner
    /// gives it a channel whose closing ends it. If the machine has no thread to give, `work` is dropped unpolled,
    /// and the owner learns that from its channels being closed.
    fn spawn(&self, name: &'static str, work: BoxFuture<'static, ()>);

    /// Runs a short piece of work to its end: on a thread of tokio's pool in production, whose runtime the caller is on.
    fn lend(&self, work: Box<dyn FnOnce() + Send>) {
        self.spawn("lent", Box::pin(async move { work() }));
    }
}
