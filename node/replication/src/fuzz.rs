//! What the fuzz targets reach: each decoder, with what must hold whatever it is given.

pub use crate::log::fuzz::segment;
pub use crate::peers::fuzz::{frames, hello};
pub use crate::raft::fuzz::{message, snapshot};
