//! What a client may ask of the kv engine, and what it answers.

use bytes::Bytes;

/// A change to one key.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Command {
    /// Sets the value of a key.
    Put {
        /// The key, 1 to [`crate::KEY_BYTES_MAX`] bytes.
        key: Bytes,
        /// The value, up to [`crate::VALUE_BYTES_MAX`] bytes.
        value: Bytes,
    },
    /// Removes a key.
    Delete {
        /// The key, 1 to [`crate::KEY_BYTES_MAX`] bytes.
        key: Bytes,
    },
}

/// The answer to an accepted [`Command`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reply {
    /// The key has the value.
    Put {
        /// The revision of this write.
        revision: Revision,
        /// True where the key had no value before.
        created: bool,
    },
    /// The key has no value.
    Delete {
        /// The revision of this write.
        revision: Revision,
        /// True where the key had a value before.
        existed: bool,
    },
}

/// The number of a write: every kv command of an accepted entry gets the next one, from 1.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Revision(pub u64);

impl std::fmt::Display for Revision {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}
