//! All reads of a pass, and the plain data they become. The reads are live: a decision never rests on a cache that
//! lags behind the operator's own writes; watches only say *when* to look.

mod convert;
mod facts;
mod read;
mod refused;

pub use facts::{ClaimSeen, NodeSeen, ObjectSeen, Observed, OwnerSeen, PodSeen, SetSeen};
pub use read::{ObserveError, cluster, observe};
pub(crate) use refused::FAILED;
