//! node-server: a whole node, from its listeners to its log.
//!
//! [`start`] brings log and engines together (in `machine`, the one file where they meet) and gives a [`Node`]: everything
//! below the codecs, which the simulator drives as it is. Above it [`http`] serves keys, [`etcd`] the clients of etcd, [`admin`] whoever
//! administers the node, and [`health`] probes and metrics. Only these four touch sockets and threads of their own.

mod access;
pub mod admin;
mod aside;
mod bolt;
mod commits;
mod compactor;
mod config;
mod connections;
mod errors;
pub mod etcd;
mod fence;
mod founding;
pub mod health;
mod history;
pub mod http;
mod incoming;
mod keeper;
mod leases;
mod levels;
mod machine;
mod node;
mod questions;
mod quota;
mod readiness;
mod reserve;
mod snapshot;
mod stamper;
mod start;
mod status;
mod tls;
mod traffic;
mod watches;
mod work;

pub use access::{Caller, Config as AccessConfig, KeyError, Secret, TokenKey};
pub use aside::{Prepared, prepare};
pub use config::{AutoCompaction, Config, Limits};
pub use errors::{AdminFailure, Failure, StartError};
pub use node::{Consistency, Listed, Loss, MemberWish, Node, Written};
pub use node_engines::FEATURE_LEVEL_MAX;
pub use readiness::NotReady;
pub use start::start;
pub use status::{Canaries, NodeStatus};
pub use tls::{Tls, TlsError, TlsFiles};
