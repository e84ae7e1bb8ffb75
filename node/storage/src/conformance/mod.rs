//! The suite that every [`crate::Storage`] passes: node-storage runs it on [`crate::Memory`], node-disk on its disk.
//!
//! It asserts, so that a failure names the promise that was broken; it belongs in tests only.

mod content;
mod durability;
mod replacement;
mod rows;
mod suite;

pub use suite::{Subject, check};
