//! The style of the house, as a test: arrows between rooms, sizes, names and leftovers.
//!
//! A binary of its own beside `it`, because it needs no cluster and answers in a second.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a test may panic"
)]

mod arrows;
mod sources;
mod text;
