//! The clients of the data interface.

mod client;
mod errors;
mod stream;

use std::fmt;

use bytes::Bytes;

pub use client::Data;
pub use errors::DataError;
pub use stream::WriteStream;

/// How fresh a read must be.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Consistency {
    /// It shows every write acknowledged before it.
    #[default]
    Linearizable,
    /// The same, as long as the nodes' clocks pass at about the same pace; and no majority is asked.
    Lease,
    /// It shows at least what this position token names.
    Session(String),
    /// It shows what the node has.
    Local,
}

impl fmt::Display for Consistency {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Consistency::Linearizable => f.write_str("consistency=linearizable"),
            Consistency::Lease => f.write_str("consistency=lease"),
            Consistency::Session(position) => {
                write!(
                    f,
                    "consistency=session&position={}",
                    crate::percent_encode(position.as_bytes())
                )
            }
            Consistency::Local => f.write_str("consistency=local"),
        }
    }
}

/// What a write may carry beside key and value.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct WriteOptions {
    /// A name for this write, 1 to 64 of `A-Z a-z 0-9 . _ -`: repeating it under the same name does nothing twice.
    pub request_id: Option<String>,
}

/// A key's value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Found {
    /// The value.
    pub value: Bytes,
    /// The revision that wrote it.
    pub revision: u64,
    /// The position it was read at, or after.
    pub position: String,
}

/// What became of a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Put {
    /// The revision of the write.
    pub revision: u64,
    /// Its position.
    pub position: String,
}
