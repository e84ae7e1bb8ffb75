//! What an etcd has: a snapshot of it, and the keys, leases, users and roles in that.

mod rows;
mod snapshot;
mod state;
#[cfg(test)]
mod tests;

pub use snapshot::{From, Snapshot};
pub use state::{Last, Source};
