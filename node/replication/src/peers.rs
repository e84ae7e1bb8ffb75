//! Byte streams between members: frames, the hello that opens each stream, calls and their answers.
//!
//! Nothing here knows what a frame's body means; `raft/` gives it one.

mod denial;
mod dialer;
mod frame;
#[cfg(fuzzing)]
pub(crate) mod fuzz;
mod gate;
mod hello;
mod lane;
mod lane_kind;
mod pool;
mod server;
mod transcript;

pub(crate) use denial::Denial;
pub(crate) use dialer::{Dialer, Greeting};
pub(crate) use frame::Kind;
pub(crate) use gate::Gate;
pub(crate) use lane::{CallError, Lane};
pub(crate) use lane_kind::LaneKind;
pub(crate) use pool::Pool;
pub(crate) use server::{Handler, serve};
