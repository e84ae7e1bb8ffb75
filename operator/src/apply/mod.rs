//! The writes, dull on purpose: each wanted object that differs from what is there is applied, in a fixed order;
//! what is ours and unwanted is deleted. Nothing is decided here.

mod drift;
mod pass;
mod writer;

pub use pass::{Applied, apply};
pub use writer::{WriteError, Writer};
