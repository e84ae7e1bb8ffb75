//! Real `kluster-node` processes on loopback, formed and administered through the admin API, by promise.

mod cluster;
mod data;
mod deadline;
mod faults;
mod membership;
mod process;
mod requests;
mod starts;
mod writer;
