//! Nodes and members, over the admin API.

mod action;
mod change;
mod init;
mod show;

pub use action::{AdminAction, act};
