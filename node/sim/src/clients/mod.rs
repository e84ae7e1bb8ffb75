//! What clients do and see, and whether one store that does one thing at a time could have answered so.

mod client;
mod history;
mod linear;
mod order;

pub use client::{Clients, Load, key_name};
pub use history::{Action, Answer, History, Operation};
pub use linear::{NotLinearizable, check as check_linearizable};
pub use order::check as check_order;
