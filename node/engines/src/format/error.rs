//! Why bytes could not be read.

use crate::FEATURE_LEVEL_MAX;

/// Bytes are not what they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// The bytes were written by a newer program.
    #[error(
        "failed to decode {format}: it has version {found}, and this program reads up to {known}"
    )]
    FromTheFuture {
        /// What was read.
        format: &'static str,
        /// Its version.
        found: u8,
        /// The newest version this program reads.
        known: u8,
    },
    /// The bytes are something else.
    #[error("failed to decode {format}: the bytes are something else")]
    OtherFormat {
        /// What should have been read.
        format: &'static str,
    },
    /// The bytes end too early.
    #[error("failed to decode {format}: the bytes end too early")]
    Truncated {
        /// What was read.
        format: &'static str,
    },
    /// The bytes go on after the end.
    #[error("failed to decode {format}: {bytes} bytes follow its end")]
    Trailing {
        /// What was read.
        format: &'static str,
        /// How many.
        bytes: usize,
    },
    /// A field holds what it can not hold.
    #[error("failed to decode {format}: its {field} is not valid")]
    Field {
        /// What was read.
        format: &'static str,
        /// The field.
        field: &'static str,
    },
    /// The cluster has reached a feature level that this program does not know.
    #[error(
        "the cluster has reached feature level {needed}, and this program knows {FEATURE_LEVEL_MAX}: start a newer one"
    )]
    FeatureLevel {
        /// The level that the cluster has reached.
        needed: u32,
    },
}
