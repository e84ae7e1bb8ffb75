//! Clients of etcd's API and their judge: transactions, reads of the past, compactions, watches and leases.
//!
//! They call the services of a node below gRPC (`node_server::etcd::Etcd`). A [`Record`] keeps what the nodes' own history says
//! of each revision, and when it was there first. In the end a model that shares no code with the engine says what each
//! request had to do and to answer at its revision, and the judge holds everything against it.

mod asks;
mod client;
mod draws;
mod judge;
mod model;
mod record;
mod watchers;

pub use asks::{Ask, Operation, Said};
pub use client::Clients;
pub use judge::{Evidence, Judged, judge};
pub use model::{History, State, within};
pub use record::Record;
pub use watchers::{Leg, Watchers};
