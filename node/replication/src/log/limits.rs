//! Bounds of the log on disk and in memory.

/// Bounds of the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Size of a segment file; at most [`Limits::SEGMENT_BYTES_MAX`]. A batch that is larger makes its own larger.
    pub segment_bytes: u64,
    /// So much is gathered into one write and one sync (the call that passes it still goes along).
    pub batch_bytes: usize,
    /// Recent entries kept in memory. Entries that are not durable yet are kept beyond it.
    pub cache_bytes: usize,
    /// Bytes queued or being written before `Wal::room` makes callers wait.
    pub queue_bytes: usize,
}

impl Limits {
    /// The largest segment: offsets within one are kept in 32 bits.
    pub const SEGMENT_BYTES_MAX: u64 = 1 << 30;
    /// The most bytes one append may bring.
    pub const APPEND_BYTES_MAX: usize = 1 << 30;
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            segment_bytes: 64 << 20,
            batch_bytes: 4 << 20,
            cache_bytes: 32 << 20,
            queue_bytes: 64 << 20,
        }
    }
}
