//! Reads a file of bbolt, the store of etcd, which may be damaged or no such file at all.
//!
//! The format is that of `go.etcd.io/bbolt` (version 2 of its file), little endian. Page 0 and 1 say in turns where everything is,
//! the rest are trees of pages, one for each bucket; a small bucket lies in the page that names it.
//!
//! ```text
//! page     id u64, kind u16, items u16, further pages u32 | an element for each item | their keys and values
//! leaf     bucket u32 (1 if it is one), place of the key from here on u32, length of the key u32, of the value u32
//! branch   place of the key from here on u32, length of the key u32, page u64
//! bucket   page of its root u64 (0: it follows here), sequence u64 (the value of an item of a leaf)
//! meta     magic u32, version u32, bytes of a page u32, flags u32, bucket of buckets, page of the list of free pages u64,
//!          pages u64, transaction u64, checksum u64 (FNV-1a of what is before it)
//! ```
//!
//! Nothing of it is believed: what is read is bounded by the file's length, and each step towards the leaves is counted. A page
//! has no checksum, so a value that was changed in place is not noticed here. (`node_server` writes such files for etcd's
//! clients. It is not read by this: no room but the node's knows the server.)

mod file;
mod page;
mod pairs;

pub use file::{Bolt, Bucket};
pub use page::Pair;
pub use pairs::At;
