//! Reading and writing of this crate's own formats: big-endian numbers, length-prefixed bytes.

use bytes::{Buf, BufMut, Bytes, BytesMut};

use crate::ids::{ClusterId, LogId, MemberId};

/// Bytes from a disk or a peer are not what the format says.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to decode: {0}")]
pub struct Malformed(pub &'static str);

/// Takes values from the front of some bytes.
#[derive(Clone, Debug)]
pub struct Reader(Bytes);

impl Reader {
    pub fn new(bytes: Bytes) -> Reader {
        Reader(bytes)
    }

    pub fn bytes(&mut self, len: usize) -> Result<Bytes, Malformed> {
        if self.0.len() < len {
            return Err(Malformed("the bytes end too early"));
        }
        Ok(self.0.split_to(len))
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        let mut array = [0; N];
        array.copy_from_slice(&self.bytes(N)?);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        self.array().map(u8::from_be_bytes)
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_be_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_be_bytes)
    }

    pub fn flag(&mut self) -> Result<bool, Malformed> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(Malformed("a flag is neither 0 nor 1")),
        }
    }

    /// Bytes behind a length of four bytes.
    pub fn blob(&mut self) -> Result<Bytes, Malformed> {
        let len = self.u32()?;
        self.bytes(usize::try_from(len).map_err(|_| Malformed("a length is out of range"))?)
    }

    /// Text behind a length of four bytes.
    pub fn text(&mut self) -> Result<String, Malformed> {
        String::from_utf8(self.blob()?.to_vec()).map_err(|_| Malformed("a text is not UTF-8"))
    }

    pub fn log_id(&mut self) -> Result<LogId, Malformed> {
        let id = LogId {
            term: self.u64()?,
            leader: self.u64()?,
            index: self.u64()?,
        };
        match id.index {
            u64::MAX => Err(Malformed("an entry has the index that none can follow")),
            _ => Ok(id),
        }
    }

    pub fn option<T>(
        &mut self,
        read: impl FnOnce(&mut Reader) -> Result<T, Malformed>,
    ) -> Result<Option<T>, Malformed> {
        if self.flag()? {
            read(self).map(Some)
        } else {
            Ok(None)
        }
    }

    pub fn cluster(&mut self) -> Result<ClusterId, Malformed> {
        self.array().map(ClusterId)
    }

    pub fn member(&mut self) -> Result<MemberId, Malformed> {
        self.u64().map(MemberId)
    }

    pub fn remaining(&self) -> usize {
        self.0.remaining()
    }

    /// What is left, unread.
    pub fn rest(self) -> Bytes {
        self.0
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Malformed> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Malformed("bytes are left over"))
        }
    }
}

/// The writing side of [`Reader`].
pub trait Write {
    fn flag(&mut self, flag: bool);
    fn blob(&mut self, bytes: &[u8]);
    fn log_id(&mut self, id: LogId);
    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T));
}

impl Write for BytesMut {
    fn flag(&mut self, flag: bool) {
        self.put_u8(u8::from(flag));
    }

    fn blob(&mut self, bytes: &[u8]) {
        let len = u32::try_from(bytes.len()).expect("invariant: nothing written is 4 GiB long");
        self.put_u32(len);
        self.put_slice(bytes);
    }

    fn log_id(&mut self, id: LogId) {
        self.put_u64(id.term);
        self.put_u64(id.leader);
        self.put_u64(id.index);
    }

    fn option<T>(&mut self, value: Option<T>, write: impl FnOnce(&mut Self, T)) {
        self.flag(value.is_some());
        if let Some(value) = value {
            write(self, value);
        }
    }
}
