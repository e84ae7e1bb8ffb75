//! The files of the log.

use std::path::PathBuf;
use std::sync::Arc;

use node_host::File;

/// A file that becomes the next segment once its first batch is durable in it.
pub(super) const SPARE: &str = "spare";
const SUFFIX: &str = ".log";

/// Named so that they sort.
pub(super) fn name(sequence: u64) -> String {
    format!("{sequence:016x}{SUFFIX}")
}

/// The sequence in a segment's name; `None` for other files.
pub(super) fn parse(name: &str) -> Option<u64> {
    let digits = name
        .strip_suffix(SUFFIX)
        .filter(|digits| digits.len() == 16)?;
    u64::from_str_radix(digits, 16).ok()
}

/// A segment on disk.
pub(super) struct Segment {
    pub(super) sequence: u64,
    pub(super) path: PathBuf,
    pub(super) file: Arc<dyn File>,
    pub(super) salt: u64,
    /// Where the next batch goes.
    pub(super) end: u64,
    /// How far it is allocated.
    pub(super) capacity: u64,
    /// The highest index of an entry in it; once that is purged, and the segments before it are gone, it can go.
    pub(super) highest: Option<u64>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_sort_and_come_back() {
        assert!(name(9) < name(10) && name(255) < name(256));
        assert_eq!(parse(&name(0xabc)), Some(0xabc));
        for other in ["spare", "stopped", "1.log", "000000000000000g.log"] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
