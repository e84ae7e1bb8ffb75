//! Protobuf as gRPC carries it, with a bound on what a message unfolds to: an empty message in a list takes two bytes of what
//! is sent, and many times that in memory.

use std::marker::PhantomData;

use bytes::{Buf, Bytes};
use prost::encoding::{DecodeContext, decode_key, skip_field};
use prost::{DecodeError, Message};
use tonic::Status;
use tonic::codec::{Codec, DecodeBuf, Decoder};
use tonic_prost::ProstEncoder;

/// A message may have so many fields, each element of a list counted.
const FIELDS_MAX: usize = 256;

/// Encodes `T`, and decodes `U` where it has few fields. A message with more is refused with INVALID_ARGUMENT before memory is
/// taken for it.
pub struct BoundedCodec<T, U>(PhantomData<(T, U)>);

impl<T, U> Default for BoundedCodec<T, U> {
    fn default() -> Self {
        BoundedCodec(PhantomData)
    }
}

impl<T, U> Codec for BoundedCodec<T, U>
where
    T: Message + Send + 'static,
    U: Message + Default + Send + 'static,
{
    type Encode = T;
    type Decode = U;
    type Encoder = ProstEncoder<T>;
    type Decoder = BoundedDecoder<U>;

    fn encoder(&mut self) -> ProstEncoder<T> {
        ProstEncoder::default()
    }

    fn decoder(&mut self) -> BoundedDecoder<U> {
        BoundedDecoder(PhantomData)
    }
}

/// Decodes messages with few fields.
pub struct BoundedDecoder<U>(PhantomData<U>);

impl<U: Message + Default> Decoder for BoundedDecoder<U> {
    type Item = U;
    type Error = Status;

    fn decode(&mut self, buffer: &mut DecodeBuf<'_>) -> Result<Option<U>, Status> {
        let message = buffer.copy_to_bytes(buffer.remaining());
        let unreadable = |error: DecodeError| {
            Status::invalid_argument(format!("failed to read the message: {error}"))
        };
        match has_few_fields(message.clone()).map_err(unreadable)? {
            true => U::decode(message).map(Some).map_err(unreadable),
            false => Err(Status::invalid_argument(format!(
                "the message has more than {FIELDS_MAX} fields"
            ))),
        }
    }
}

fn has_few_fields(mut message: Bytes) -> Result<bool, DecodeError> {
    for _ in 0..FIELDS_MAX {
        if !message.has_remaining() {
            return Ok(true);
        }
        let (tag, wire_type) = decode_key(&mut message)?;
        skip_field(wire_type, tag, &mut message, DecodeContext::default())?;
    }
    Ok(!message.has_remaining())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::proto::data::{Command, WriteRequest};

    fn encoded(commands: usize) -> Bytes {
        let commands = vec![Command { command: None }; commands];
        let request_id = String::new();
        let request = WriteRequest {
            commands,
            request_id,
        };
        request.encode_to_vec().into()
    }

    #[test]
    fn elements_are_counted_and_what_breaks_off_is_an_error() {
        assert!(has_few_fields(encoded(0)).unwrap());
        assert!(has_few_fields(encoded(FIELDS_MAX)).unwrap());
        assert!(!has_few_fields(encoded(FIELDS_MAX + 1)).unwrap());
        assert!(has_few_fields(encoded(3).slice(..5)).is_err());
    }
}
