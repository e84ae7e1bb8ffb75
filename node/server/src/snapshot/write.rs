//! From a view to chunks.

use std::ops::Bound;

use bytes::{BufMut, Bytes, BytesMut};
use node_engines::TABLES;
use node_storage::{StorageError, Table, View};

use super::{CHUNK_BYTES, END, MAGIC, ROW, VERSION};

/// Gives the rows of a view, chunk by chunk.
pub struct Chunks {
    view: Box<dyn View>,
    /// The tables still to be read; the first of them from after this key on.
    tables: std::vec::IntoIter<Table>,
    at: Option<(Table, Bound<Bytes>)>,
    stream: BytesMut,
    rows: u64,
    ended: bool,
}

impl Chunks {
    /// The chunks of this view.
    pub fn new(view: Box<dyn View>) -> Chunks {
        let mut stream = BytesMut::with_capacity(CHUNK_BYTES);
        stream.put_slice(MAGIC);
        stream.put_u16(VERSION);
        let mut tables = TABLES.to_vec().into_iter();
        let at = tables.next().map(|table| (table, Bound::Unbounded));
        Chunks {
            view,
            tables,
            at,
            stream,
            rows: 0,
            ended: false,
        }
    }

    /// The next chunk, `None` after the last.
    pub fn next(&mut self) -> Result<Option<Bytes>, StorageError> {
        while self.stream.len() < CHUNK_BYTES
            && let Some((table, from)) = self.at.take()
        {
            self.at = self.fill(table, from)?;
        }
        if self.at.is_none() && !self.ended {
            self.ended = true;
            self.stream.put_u8(END);
            self.stream.put_u64(self.rows);
        }
        if self.stream.is_empty() {
            return Ok(None);
        }
        let body = self.stream.split_to(self.stream.len().min(CHUNK_BYTES));
        let mut chunk = BytesMut::with_capacity(4 + body.len());
        chunk.put_u32(crc32c::crc32c(&body));
        chunk.put_slice(&body);
        Ok(Some(chunk.freeze()))
    }

    /// Writes rows of one table until a chunk is full; gives where to go on.
    fn fill(
        &mut self,
        table: Table,
        from: Bound<Bytes>,
    ) -> Result<Option<(Table, Bound<Bytes>)>, StorageError> {
        for row in self.view.scan(table, (from, Bound::Unbounded)) {
            let (key, value) = row?;
            put_row(&mut self.stream, table, &key, &value);
            self.rows += 1;
            if self.stream.len() >= CHUNK_BYTES {
                return Ok(Some((table, Bound::Excluded(key))));
            }
        }
        Ok(self.tables.next().map(|table| (table, Bound::Unbounded)))
    }
}

fn put_row(stream: &mut BytesMut, table: Table, key: &[u8], value: &[u8]) {
    let short =
        u8::try_from(table.0.len()).expect("invariant: a table's name has at most 64 bytes");
    stream.put_u8(ROW);
    stream.put_u8(short);
    stream.put_slice(table.0.as_bytes());
    for field in [key, value] {
        let len = u32::try_from(field.len()).expect("invariant: rows are far below 4 GiB");
        stream.put_u32(len);
        stream.put_slice(field);
    }
}
