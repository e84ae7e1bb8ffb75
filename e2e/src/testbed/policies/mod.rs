//! NetworkPolicies, enforced: what they say about incoming traffic becomes rules of nftables in each node's namespace.
//!
//! [`mod@rules`] is the translation, a pure function; [`serve`] carries it into the kernel whenever something changes.
//! As with every enforcer, connections that exist stay, and a node reaches its own pods. Egress is not enforced.

mod enforcer;
mod ports;
mod rules;
mod selector;

pub use enforcer::{ENFORCER, serve};
