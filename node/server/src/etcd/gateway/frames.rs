//! Messages as gRPC puts them into a body: a byte that says whether one is compressed, which none is here, its length, itself.

use bytes::{Buf, BufMut, Bytes, BytesMut};
use prost::Message;
use prost_reflect::DynamicMessage;

const HEAD_BYTES: usize = 5;

/// The body of these messages.
pub fn of(messages: &[DynamicMessage]) -> Bytes {
    let mut body = BytesMut::new();
    for message in messages {
        let message = message.encode_to_vec();
        body.put_u8(0);
        body.put_u32(u32::try_from(message.len()).expect("invariant: a request is bounded"));
        body.put_slice(&message);
    }
    body.freeze()
}

/// The messages of a body, as its bytes come.
#[derive(Default)]
pub struct Frames {
    buffer: BytesMut,
}

impl Frames {
    /// Adds the next bytes.
    pub fn add(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    /// The next message, once it is whole.
    pub fn next(&mut self) -> Option<Bytes> {
        let (head, rest) = self.buffer.split_first_chunk::<HEAD_BYTES>()?;
        let [_, length @ ..] = *head;
        let length = u32::from_be_bytes(length) as usize;
        if rest.len() < length {
            return None;
        }
        self.buffer.advance(HEAD_BYTES);
        Some(self.buffer.split_to(length).freeze())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_come_whole_however_their_bytes_do() {
        let body = [
            &[0, 0, 0, 0, 2][..],
            b"ab",
            &[0, 0, 0, 0, 0],
            &[0, 0, 0, 0, 1],
            b"c",
        ]
        .concat();
        for size in 1..body.len() {
            let (mut frames, mut found) = (Frames::default(), Vec::new());
            for piece in body.chunks(size) {
                frames.add(piece);
                while let Some(message) = frames.next() {
                    found.push(message);
                }
            }
            assert_eq!(found, [&b"ab"[..], b"", b"c"]);
        }
    }
}
