//! Sends a snapshot file to a member: what it is, its pieces, and the word that it is complete.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use node_host::Host;
use openraft::alias::VoteOf;
use tokio::sync::mpsc;
use tokio::time::Instant;

use crate::peers::{CallError, Kind, Lane};
use crate::raft::config::C;
use crate::raft::messages::{self, SnapshotBegin};
use crate::raft::snapshots::SnapshotFile;

/// Bytes of a piece.
const PIECE_BYTES: u64 = 512 << 10;
/// Pieces on their way at a time, and read ahead.
const PIECES_DEPTH: usize = 4;
/// A piece is written to a disk there before it is answered.
const PIECE_WITHIN: Duration = Duration::from_secs(30);

fn failed(error: CallError) -> io::Error {
    io::Error::other(error)
}

/// How fast bytes may go. What was not used is not saved up.
pub struct Pace {
    bytes_per_second: u64,
    /// When the next ones may go.
    next: Instant,
}

impl Pace {
    pub fn of(bytes_per_second: u64) -> Pace {
        Pace {
            bytes_per_second,
            next: Instant::now(),
        }
    }

    /// Waits until so many bytes may go.
    async fn wait(&mut self, bytes: usize) {
        tokio::time::sleep_until(self.next).await;
        let lasts = Duration::from_secs(1).mul_f64(bytes as f64 / self.bytes_per_second as f64);
        self.next = (self.next + lasts).max(Instant::now());
    }
}

/// Sends everything that the member does not have yet; the vote of the member that has it now.
pub async fn send(
    host: &Host,
    lane: Lane,
    pace: Pace,
    vote: VoteOf<C>,
    file: SnapshotFile,
) -> io::Result<VoteOf<C>> {
    let begin = SnapshotBegin {
        vote,
        last: file.applied().last,
        bytes: file.len(),
        digest: file.digest(),
    };
    let begun = lane.call(Kind::SnapshotBegin, begin.encode());
    let from = messages::decode_offset(begun.await.map_err(failed)?).map_err(io::Error::other)?;

    let (pieces, read) = mpsc::channel(PIECES_DEPTH);
    host.workers
        .spawn("snapshot", Box::pin(read_pieces(file, from, pieces)));
    let pieces = futures::stream::unfold((read, pace), |(mut read, mut pace)| async {
        let piece: io::Result<Bytes> = read.recv().await?;
        pace.wait(piece.as_ref().map_or(0, Bytes::len)).await;
        Some((piece, (read, pace)))
    });
    pieces
        .map(|piece| {
            let call = piece.map(|piece| lane.call(Kind::SnapshotPiece, piece));
            async move {
                match tokio::time::timeout(PIECE_WITHIN, call?).await {
                    Ok(answer) => answer.map(drop).map_err(failed),
                    Err(_) => Err(io::ErrorKind::TimedOut.into()),
                }
            }
        })
        .buffered(PIECES_DEPTH)
        .try_for_each(|()| async { Ok(()) })
        .await?;

    let vote = lane
        .call(Kind::SnapshotEnd, Bytes::new())
        .await
        .map_err(failed)?;
    messages::decode_vote(vote).map_err(io::Error::other)
}

/// Reads the file from a byte on, on a worker. Ends early when nobody wants the pieces any more.
async fn read_pieces(file: SnapshotFile, from: u64, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut at = from;
    while at < file.len() {
        let len = (file.len() - at).min(PIECE_BYTES);
        let bytes = file.read(
            at,
            usize::try_from(len).expect("invariant: a piece is small"),
        );
        let failed = bytes.is_err();
        let piece = bytes.map(|bytes| messages::encode_piece(at, &bytes));
        if pieces.send(piece).await.is_err() || failed {
            return;
        }
        at += len;
    }
}
