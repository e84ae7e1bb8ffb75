//! Every object that a Cluster consists of, rendered in full from what was decided. One file per kind; nothing here
//! decides, and nothing here knows a client.

mod all;
mod claim;
mod clusternode;
mod configmap;
mod kv;
mod networkpolicy;
mod pdb;
mod pod;
mod rbac;
mod secret;
mod service;
mod statefulset;

pub use all::{Origin, Templates, Wanted, all, templates};
pub use pod::Template;
pub use secret::{KEY_BYTES, secret};
