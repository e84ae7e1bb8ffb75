//! Writing and reading the fields that every format is made of.

use bytes::{BufMut, Bytes, BytesMut};

use super::DecodeError;

/// A format: its name in errors, its first byte, and its version.
#[derive(Clone, Copy)]
pub(super) struct Format {
    pub name: &'static str,
    pub kind: u8,
    pub version: u8,
}

pub(super) struct Encoder {
    buffer: BytesMut,
}

impl Encoder {
    /// A buffer for about `capacity` bytes, begun with the format's two bytes.
    pub fn new(format: Format, capacity: usize) -> Encoder {
        let mut encoder = Encoder::bare(capacity + 2);
        encoder.u8(format.kind);
        encoder.u8(format.version);
        encoder
    }

    /// A buffer that begins with nothing.
    pub fn bare(capacity: usize) -> Encoder {
        Encoder {
            buffer: BytesMut::with_capacity(capacity),
        }
    }

    pub fn u8(&mut self, value: u8) {
        self.buffer.put_u8(value);
    }

    pub fn u32(&mut self, value: u32) {
        self.buffer.put_u32_le(value);
    }

    pub fn u64(&mut self, value: u64) {
        self.buffer.put_u64_le(value);
    }

    pub fn i64(&mut self, value: i64) {
        self.buffer.put_i64_le(value);
    }

    pub fn bool(&mut self, value: bool) {
        self.buffer.put_u8(u8::from(value));
    }

    pub fn raw(&mut self, bytes: &[u8]) {
        self.buffer.put_slice(bytes);
    }

    /// Bytes behind their length.
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.count(bytes.len());
        self.buffer.put_slice(bytes);
    }

    pub fn count(&mut self, count: usize) {
        self.u32(u32::try_from(count).expect("invariant: nothing that is encoded has 4 GiB"));
    }

    pub fn finish(self) -> Bytes {
        self.buffer.freeze()
    }
}

pub(super) struct Decoder {
    rest: Bytes,
    format: &'static str,
    version: u8,
}

impl Decoder {
    /// Reads the two bytes that a format begins with.
    pub fn new(format: Format, bytes: &Bytes) -> Result<Decoder, DecodeError> {
        let mut decoder = Decoder {
            rest: bytes.clone(),
            format: format.name,
            version: format.version,
        };
        if decoder.u8()? != format.kind {
            return Err(DecodeError::OtherFormat {
                format: format.name,
            });
        }
        let found = decoder.u8()?;
        if found > format.version {
            let known = format.version;
            return Err(DecodeError::FromTheFuture {
                format: format.name,
                found,
                known,
            });
        }
        if found == 0 {
            return Err(decoder.field("version"));
        }
        decoder.version = found;
        Ok(decoder)
    }

    /// The version of the format that is read.
    pub fn version(&self) -> u8 {
        self.version
    }

    fn take(&mut self, bytes: usize) -> Result<Bytes, DecodeError> {
        if self.rest.len() < bytes {
            return Err(DecodeError::Truncated {
                format: self.format,
            });
        }
        Ok(self.rest.split_to(bytes))
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], DecodeError> {
        let Some((array, _)) = self.rest.split_first_chunk::<N>() else {
            return Err(DecodeError::Truncated {
                format: self.format,
            });
        };
        let array = *array;
        bytes::Buf::advance(&mut self.rest, N);
        Ok(array)
    }

    pub fn u8(&mut self) -> Result<u8, DecodeError> {
        self.array().map(u8::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, DecodeError> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, DecodeError> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, DecodeError> {
        self.array().map(i64::from_le_bytes)
    }

    pub fn bool(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            _ => Err(self.field(field)),
        }
    }

    /// Bytes behind their length, sharing the buffer that is read.
    pub fn bytes(&mut self) -> Result<Bytes, DecodeError> {
        let length = self.u32()?;
        self.take(usize::try_from(length).unwrap_or(usize::MAX))
    }

    /// A text behind its length.
    pub fn text(&mut self, field: &'static str) -> Result<String, DecodeError> {
        let bytes = self.bytes()?.to_vec();
        String::from_utf8(bytes).map_err(|_| self.field(field))
    }

    /// A number of things to follow, at most `max`.
    pub fn count(&mut self, field: &'static str, max: usize) -> Result<usize, DecodeError> {
        match usize::try_from(self.u32()?) {
            Ok(count) if count <= max => Ok(count),
            _ => Err(self.field(field)),
        }
    }

    /// The error of a field that holds what it can not hold.
    pub fn field(&self, field: &'static str) -> DecodeError {
        DecodeError::Field {
            format: self.format,
            field,
        }
    }

    pub fn finish(self) -> Result<(), DecodeError> {
        match self.rest.len() {
            0 => Ok(()),
            bytes => Err(DecodeError::Trailing {
                format: self.format,
                bytes,
            }),
        }
    }
}
