//! Our own binary formats, version 1. Each starts with a byte that says what it is and one that says which version; numbers
//! are little endian, bytes stand behind their length, and nothing may follow the end.
//!
//! `testdata/v1` holds one of each; they must stay readable for good. Reading never panics, whatever the bytes.

pub(crate) mod auth;
mod code;
pub(crate) mod entry;
mod error;
pub(crate) mod kv;
pub(crate) mod outcome;
pub(crate) mod state;
mod steps;

pub use error::DecodeError;
