//! Workers as tasks: what blocks on a real machine takes virtual time here.

use futures::future::BoxFuture;

/// Runs work on the node's own runtime.
pub struct Tasks;

impl node_host::Workers for Tasks {
    fn spawn(&self, _name: &'static str, work: BoxFuture<'static, ()>) {
        tokio::spawn(work);
    }
}
