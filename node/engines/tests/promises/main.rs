//! What the engines promise: scripts (`tests/scripts`, one behaviour a file), formats that stay readable, equality on every
//! storage, and reads beside apply.

mod equality;
mod formats;
mod history;
mod reads;
mod scripts;
