//! Bodies of frames and files of snapshots, of any content.

use std::fmt::Debug;
use std::path::PathBuf;

use bytes::Bytes;
use node_host::Host;

use super::messages::*;
use super::outcome;
use super::snapshots::SnapshotFile;
use crate::membership;
use crate::wire::Malformed;

/// Reads `bytes` as each of the messages: each is refused, or written and read again it is the same.
///
/// # Panics
/// A message means something else once it was passed on.
pub fn message(bytes: &[u8]) {
    let bytes = Bytes::copy_from_slice(bytes);
    check(&bytes, decode_append, encode_append);
    check(&bytes, decode_vote_request, |ask| encode_vote_request(&ask));
    check(&bytes, decode_vote_response, |said| {
        encode_vote_response(&said)
    });
    check(&bytes, decode_transfer, |transfer| {
        encode_transfer(&transfer)
    });
    check(&bytes, decode_vote, |vote| encode_vote(&vote));
    check(&bytes, SnapshotBegin::decode, |begin| begin.encode());
    check(&bytes, decode_offset, encode_offset);
    check(&bytes, decode_proof, encode_proof);
    check(&bytes, decode_piece, |(at, piece)| encode_piece(at, &piece));
    check(&bytes, outcome::decode, |outcome| outcome::encode(&outcome));
    check(
        &bytes,
        |bytes| membership::decode(&bytes),
        |roster| membership::encode(&roster),
    );
    let ends = decode_vote_request(bytes.clone()).ok();
    let last = ends.and_then(|ask| ask.last_log_id);
    drop(decode_appended(bytes, last, last));
}

fn check<T: Debug>(
    bytes: &Bytes,
    read: impl Fn(Bytes) -> Result<T, Malformed>,
    write: impl Fn(T) -> Bytes,
) {
    if let Ok(message) = read(bytes.clone()) {
        let said = format!("{message:?}");
        let again = read(write(message)).expect("what was read can be written and read");
        assert_eq!(format!("{again:?}"), said);
    }
}

/// Opens the file at `path` as a snapshot and reads all of it, whether its digest is right or not.
///
/// # Panics
/// It hands out more than the file holds.
pub async fn snapshot(host: Host, path: PathBuf) {
    let Ok(snapshot) = SnapshotFile::open(&*host.files, &path) else {
        return;
    };
    drop(snapshot.verify());
    let read: u64 = snapshot
        .chunks()
        .map_while(Result::ok)
        .map(|chunk| chunk.len() as u64)
        .sum();
    assert!(read <= snapshot.len(), "{read} bytes of chunks");
}
