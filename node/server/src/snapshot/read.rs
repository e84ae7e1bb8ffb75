//! From chunks to rows.

use std::borrow::Cow;
use std::io;

use bytes::{Buf, Bytes, BytesMut};
use node_storage::{Row, StorageError};

use super::{END, FIELD_BYTES_MAX, MAGIC, ROW, VERSION};

/// What is wrong with a snapshot's state.
#[derive(Debug, thiserror::Error)]
pub enum Damaged {
    /// The chunks could not be read.
    #[error("failed to read a chunk")]
    Read(#[from] io::Error),
    /// A chunk is not what was written.
    #[error("the checksum of chunk {number} is wrong")]
    Checksum {
        /// Counted from 0.
        number: u64,
    },
    /// The bytes are no state.
    #[error("{0}")]
    Form(&'static str),
    /// A newer program wrote it.
    #[error("it has format {found}, this program knows {VERSION}")]
    FromTheFuture {
        /// The format found.
        found: u16,
    },
}

/// Gives the rows that chunks hold. An error ends them.
pub struct Rows<'a> {
    chunks: &'a mut dyn Iterator<Item = io::Result<Bytes>>,
    read: u64,
    stream: BytesMut,
    rows: u64,
    state: State,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Beginning,
    Rows,
    Ended,
}

impl<'a> Rows<'a> {
    /// The rows in these chunks.
    pub fn new(chunks: &'a mut dyn Iterator<Item = io::Result<Bytes>>) -> Rows<'a> {
        Rows {
            chunks,
            read: 0,
            stream: BytesMut::new(),
            rows: 0,
            state: State::Beginning,
        }
    }

    fn row(&mut self) -> Result<Option<Row>, Damaged> {
        if self.state == State::Beginning {
            self.begin()?;
            self.state = State::Rows;
        }
        if self.state == State::Ended {
            return Ok(None);
        }
        match self.take(1)?.get_u8() {
            ROW => {
                let table = self.table()?;
                let (key, value) = (self.field()?, self.field()?);
                self.rows += 1;
                Ok(Some(Row {
                    table: Cow::Owned(table),
                    key,
                    value,
                }))
            }
            END => self.end().map(|()| None),
            _ => Err(Damaged::Form("a row begins as none does")),
        }
    }

    fn begin(&mut self) -> Result<(), Damaged> {
        if self.take(MAGIC.len())?.as_ref() != MAGIC {
            return Err(Damaged::Form("it does not begin as a state"));
        }
        match self.take(2)?.get_u16() {
            VERSION => Ok(()),
            found => Err(Damaged::FromTheFuture { found }),
        }
    }

    fn end(&mut self) -> Result<(), Damaged> {
        self.state = State::Ended;
        if self.take(8)?.get_u64() != self.rows {
            return Err(Damaged::Form("it has another number of rows than it says"));
        }
        match self.stream.is_empty() && self.chunks.next().is_none() {
            true => Ok(()),
            false => Err(Damaged::Form("it goes on after its end")),
        }
    }

    fn table(&mut self) -> Result<String, Damaged> {
        let len = self.take(1)?.get_u8();
        let name = self.take(usize::from(len))?.to_vec();
        String::from_utf8(name).map_err(|_| Damaged::Form("a table's name is no text"))
    }

    fn field(&mut self) -> Result<Bytes, Damaged> {
        let len = usize::try_from(self.take(4)?.get_u32()).unwrap_or(usize::MAX);
        if len > FIELD_BYTES_MAX {
            return Err(Damaged::Form("a field is longer than any can be"));
        }
        // A copy, so that a small row does not keep a whole chunk alive.
        self.take(len).map(|field| Bytes::copy_from_slice(&field))
    }

    fn take(&mut self, len: usize) -> Result<BytesMut, Damaged> {
        while self.stream.len() < len {
            let Some(chunk) = self.chunks.next() else {
                return Err(Damaged::Form("it ends too early"));
            };
            let mut chunk = chunk?;
            let number = self.read;
            if chunk.len() < 4 || chunk.get_u32() != crc32c::crc32c(&chunk) {
                return Err(Damaged::Checksum { number });
            }
            self.read += 1;
            self.stream.extend_from_slice(&chunk);
        }
        Ok(self.stream.split_to(len))
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<Row, StorageError>;

    fn next(&mut self) -> Option<Self::Item> {
        match self.row() {
            Ok(row) => row.map(Ok),
            Err(damaged) => {
                self.state = State::Ended;
                Some(Err(StorageError::failed(
                    "read a snapshot's state",
                    damaged,
                )))
            }
        }
    }
}
