//! The state as a stream of bytes: how it leaves a view and how it enters a storage.
//!
//! Format 1: `"KLST"`, version (u16), then rows: `1`, table (u8 length), key (u32 length), value (u32 length); at the end `0`
//! and the number of rows (u64). Numbers are big endian. The stream is cut into chunks, each behind its crc32c.

mod read;
mod write;

pub use read::Rows;
pub use write::Chunks;

const MAGIC: &[u8; 4] = b"KLST";
const VERSION: u16 = 1;
const ROW: u8 = 1;
const END: u8 = 0;
/// Bytes of the stream in one chunk; with its checksum it stays below the 1 MiB that the log takes.
const CHUNK_BYTES: usize = 512 << 10;
/// A table's name, a key or a value is never longer.
const FIELD_BYTES_MAX: usize = 16 << 20;

#[cfg(test)]
mod tests;
