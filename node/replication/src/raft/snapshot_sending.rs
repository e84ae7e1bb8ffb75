//! Sends a snapshot file to a member: what it is, its pieces, and the word that it is complete.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, TryStreamExt};
use node_host::Host;
use openraft::alias::VoteOf;
use tokio::sync::mpsc;

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

/// Sends everything; the vote of the member that has it now.
pub async fn send(
    host: &Host,
    lane: Lane,
    vote: VoteOf<C>,
    file: SnapshotFile,
) -> io::Result<VoteOf<C>> {
    let begin = SnapshotBegin {
        vote,
        last: file.applied().last,
        bytes: file.len(),
        digest: file.digest(),
    };
    lane.call(Kind::SnapshotBegin, begin.encode())
        .await
        .map_err(failed)?;

    let (pieces, read) = mpsc::channel(PIECES_DEPTH);
    host.workers
        .spawn("snapshot", Box::pin(read_pieces(file, pieces)));
    let pieces = futures::stream::unfold(read, |mut read| async {
        read.recv().await.map(|piece| (piece, read))
    });
    pieces
        .map(|piece: io::Result<Bytes>| {
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

/// Reads the file on a worker. Ends early when nobody wants the pieces any more.
async fn read_pieces(file: SnapshotFile, pieces: mpsc::Sender<io::Result<Bytes>>) {
    let mut at = 0;
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
