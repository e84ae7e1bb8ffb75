//! The log against its promises: what was reported durable is there after any crash, and damage is never passed over.

mod appends;
mod crash;
mod damage;
mod failure;
mod fixture;
mod full;
mod kit;
pub(crate) mod memory;
mod model;
mod power;
mod segments;
