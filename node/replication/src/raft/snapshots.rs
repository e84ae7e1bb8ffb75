//! Snapshot files: written whole under another name, synced, renamed, and only then counted on. The last one is kept.
//!
//! `<index>-<term>-<leader>.snapshot`: a head (cluster, incarnation, how far, membership, removed ids), the chunks of
//! the machine with a checksum each, and an end with the digest of all before it.

mod file;
mod folder;
mod receive;
mod write;

pub use file::SnapshotFile;
pub use folder::Snapshots;
pub use receive::{Put, Receiving};
