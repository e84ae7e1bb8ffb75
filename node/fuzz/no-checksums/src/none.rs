//! Checksums that are none.

/// The checksum of anything.
pub fn crc32c(_: &[u8]) -> u32 {
    0
}

/// The checksum of anything with anything behind it.
pub fn crc32c_append(_: u32, _: &[u8]) -> u32 {
    0
}
