//! What the engines promise: scripts (`tests/scripts`, one behaviour a file), formats that stay readable, equality on every
//! storage, and reads beside apply.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test fails by panicking"
)]

mod auth;
mod equality;
mod formats;
mod history;
mod mvcc;
mod reads;
mod scripts;
