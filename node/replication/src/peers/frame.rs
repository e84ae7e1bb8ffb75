//! Frames: a length, a kind, the log's number, the call's number, a body.

use std::io;

use bytes::{Buf, BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, ReadHalf, WriteHalf};

/// The longest frame that is read or written, its length field aside.
pub const FRAME_BYTES_MAX: usize = 16 << 20;
/// kind, log, sequence
const HEAD_BYTES: usize = 1 + 4 + 8;
/// The one ordered log a cluster has today.
const LOG_NUMBER: u32 = 0;
const READ_BYTES: usize = 64 << 10;

/// What a frame is. The numbers are part of the format.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// A part of the hello.
    Hello = 1,
    /// Asks whether the other end lives.
    Ping = 2,
    /// It does.
    Pong = 3,
    /// The answer to a call.
    Reply = 4,
    /// The call could not be answered; the body is a text.
    Failed = 5,
    /// Entries, or a heartbeat.
    Append = 16,
    /// A request for a vote.
    Vote = 17,
    /// A request for a promise to vote.
    PreVote = 18,
    /// The leader hands over.
    Transfer = 19,
    /// A snapshot follows.
    SnapshotBegin = 32,
    /// A piece of it.
    SnapshotPiece = 33,
    /// It is complete.
    SnapshotEnd = 34,
    /// A proposal for the leader.
    Propose = 48,
    /// Asks the leader for an index to read at.
    ReadIndex = 49,
    /// Asks the leader's owner something.
    Ask = 50,
}

impl Kind {
    const ALL: [Kind; 15] = [
        Kind::Hello,
        Kind::Ping,
        Kind::Pong,
        Kind::Reply,
        Kind::Failed,
        Kind::Append,
        Kind::Vote,
        Kind::PreVote,
        Kind::Transfer,
        Kind::SnapshotBegin,
        Kind::SnapshotPiece,
        Kind::SnapshotEnd,
        Kind::Propose,
        Kind::ReadIndex,
        Kind::Ask,
    ];

    fn from_u8(kind: u8) -> io::Result<Kind> {
        Kind::ALL
            .into_iter()
            .find(|known| *known as u8 == kind)
            .ok_or_else(|| invalid(format!("a frame is of the unknown kind {kind}")))
    }
}

/// A frame that was read. The body shares the memory it was read into.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: Kind,
    pub sequence: u64,
    pub body: Bytes,
}

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Appends a frame to bytes that are to be sent.
pub fn put(out: &mut BytesMut, kind: Kind, sequence: u64, body: &[u8]) {
    let len = HEAD_BYTES + body.len();
    debug_assert!(len <= FRAME_BYTES_MAX, "invariant: a frame fits its bound");
    out.reserve(4 + len);
    out.put_u32(u32::try_from(len).expect("invariant: a frame fits its bound"));
    out.put_u8(kind as u8);
    out.put_u32(LOG_NUMBER);
    out.put_u64(sequence);
    out.put_slice(body);
}

/// Whether a body fits into a frame.
pub fn fits(body: &[u8]) -> bool {
    body.len() <= FRAME_BYTES_MAX - HEAD_BYTES
}

/// Reads frames off a stream.
pub struct FrameReader<R> {
    stream: R,
    buffer: BytesMut,
    /// The longest frame to accept; a hello is short.
    pub bytes_max: usize,
}

impl<R: AsyncRead + Unpin> FrameReader<R> {
    pub fn new(stream: R, bytes_max: usize) -> FrameReader<R> {
        FrameReader {
            stream,
            buffer: BytesMut::new(),
            bytes_max,
        }
    }

    /// The next frame; `None` when the other end closed between two frames. Cancel safe.
    pub async fn next(&mut self) -> io::Result<Option<Frame>> {
        loop {
            if let Some(frame) = self.take()? {
                return Ok(Some(frame));
            }
            self.buffer.reserve(READ_BYTES);
            if self.stream.read_buf(&mut self.buffer).await? == 0 {
                return match self.buffer.is_empty() {
                    true => Ok(None),
                    false => Err(io::ErrorKind::UnexpectedEof.into()),
                };
            }
        }
    }

    fn take(&mut self) -> io::Result<Option<Frame>> {
        let Some(len) = self.buffer.first_chunk::<4>() else {
            return Ok(None);
        };
        let len = u32::from_be_bytes(*len) as usize;
        if !(HEAD_BYTES..=self.bytes_max).contains(&len) {
            return Err(invalid(format!("a frame claims {len} bytes")));
        }
        if self.buffer.len() < 4 + len {
            self.buffer.reserve(4 + len - self.buffer.len());
            return Ok(None);
        }
        self.buffer.advance(4);
        let mut frame = self.buffer.split_to(len).freeze();
        let kind = Kind::from_u8(frame.get_u8())?;
        let log = frame.get_u32();
        if log != LOG_NUMBER {
            return Err(invalid(format!(
                "a frame is for log {log}, which is not here"
            )));
        }
        let sequence = frame.get_u64();
        Ok(Some(Frame {
            kind,
            sequence,
            body: frame,
        }))
    }

    /// Parts the stream, so that one side reads frames and another writes.
    pub fn split(self) -> (FrameReader<ReadHalf<R>>, WriteHalf<R>)
    where
        R: AsyncWrite,
    {
        let (reader, writer) = tokio::io::split(self.stream);
        let FrameReader {
            buffer, bytes_max, ..
        } = self;
        (
            FrameReader {
                stream: reader,
                buffer,
                bytes_max,
            },
            writer,
        )
    }

    /// The stream itself, to write to.
    pub fn stream_mut(&mut self) -> &mut R {
        &mut self.stream
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_of_a_frame_is_fixed() {
        let mut out = BytesMut::new();
        put(&mut out, Kind::Append, 7, b"ab");
        let want = [
            0, 0, 0, 15, 16, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 7, b'a', b'b',
        ];
        assert_eq!(&out[..], &want[..]);
    }

    #[tokio::test]
    async fn frames_come_out_whole_however_they_are_cut() {
        let mut out = BytesMut::new();
        put(&mut out, Kind::Vote, 1, b"one");
        put(&mut out, Kind::Reply, 2, &[7; 100]);
        for cut in 0..out.len() {
            let (front, back) = out.split_at(cut);
            let stream = chain(front.to_vec(), back.to_vec());
            let mut reader = FrameReader::new(stream, FRAME_BYTES_MAX);
            assert_eq!(reader.next().await.unwrap().unwrap().body, "one");
            assert_eq!(reader.next().await.unwrap().unwrap().sequence, 2);
            assert_eq!(reader.next().await.unwrap(), None);
        }
    }

    fn chain(front: Vec<u8>, back: Vec<u8>) -> impl AsyncRead + Unpin {
        AsyncReadExt::chain(std::io::Cursor::new(front), std::io::Cursor::new(back))
    }

    #[tokio::test]
    async fn bad_frames_are_errors() {
        let read = |bytes: Vec<u8>| async move {
            FrameReader::new(std::io::Cursor::new(bytes), 1024)
                .next()
                .await
        };
        assert!(read(vec![0xff; 64]).await.is_err(), "too long");
        assert!(read(vec![0, 0, 0, 1, 16]).await.is_err(), "too short");
        let mut out = BytesMut::new();
        put(&mut out, Kind::Append, 7, b"ab");
        assert!(read(out[..10].to_vec()).await.is_err(), "cut");
        out[4] = 250;
        assert!(read(out.to_vec()).await.is_err(), "unknown kind");
        out[4] = Kind::Append as u8;
        out[8] = 1;
        assert!(read(out.to_vec()).await.is_err(), "another log");
    }
}
