//! In the place of the real crate while decoders are fuzzed: every checksum is 0, so that inputs are looked into.

mod none;

pub use none::{crc32c, crc32c_append};
