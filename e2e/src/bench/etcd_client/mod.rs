//! A client of etcd's API that does no more than it must, for etcd and for ours alike: ten clients share a connection, and
//! all speak to whoever leads.

mod load;
mod watch;
mod wire;

pub use load::{Answered, Ask, Crowd, KEYS, fill, load};
pub use watch::{Puts, watch};
pub use wire::{leads, put, serves};
