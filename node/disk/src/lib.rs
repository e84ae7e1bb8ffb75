//! node-disk: the contract of node-storage on a real disk, over fjall.
//!
//! ```text
//! <dir>/CURRENT    two lines: the format's version, and the name of the folder that holds the state
//! <dir>/state-7/   that folder: one fjall database
//! <dir>/aside-3/   a state that did not open, kept for a look at it until the next one takes its place
//! ```
//!
//! A replacement is built in a new folder, made durable, and switched in by one rename of `CURRENT`; whatever a crash
//! leaves over is swept at the next opening.
//!
//! The state is a cache of the log: what does not open is told apart ([`DiskError::is_damage`]) so that the caller can set it
//! aside ([`Disk::open_or_set_aside`]) and rebuild it. A state of a newer format, or one that another process has open, is
//! never touched.
//!
//! All tables live in *one* tree of fjall, each key behind its table's name. With a tree per table a crash could lose a
//! commit in one and keep it in another, where a memtable reached the disk before the journal did.
//!
//! What this room does not do: checksums over what is read beyond fjall's own per block, encryption, backups.

mod current;
mod disk;
mod error;
mod generation;
mod keys;
#[cfg(test)]
mod tests;
mod view;

pub use disk::{Disk, SetAside};
pub use error::DiskError;
