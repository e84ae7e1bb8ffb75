//! Every message is read back as it was written, no cut of one is, and the first format stays.

use openraft::EntryPayload;
use openraft::alias::EntryOf;

use super::*;
use crate::raft::config::Command;

fn at(term: u64, index: u64) -> LogIdOf<C> {
    convert::raft_log_id(LogId {
        term,
        leader: 7,
        index,
    })
}

fn vote() -> VoteOf<C> {
    VoteOf::<C>::new_committed(3, 7)
}

fn append() -> AppendEntriesRequest<C> {
    let entry = |index, payload| EntryOf::<C> {
        log_id: at(3, index),
        payload,
    };
    AppendEntriesRequest {
        vote: vote(),
        prev_log_id: Some(at(2, 9)),
        leader_commit: Some(at(2, 8)),
        entries: vec![
            entry(10, EntryPayload::Blank),
            entry(
                11,
                EntryPayload::Normal(Command(Bytes::from_static(b"command"))),
            ),
        ],
    }
}

/// Reads `bytes` back as `want`, and refuses every part of them.
#[track_caller]
fn check<T>(bytes: &Bytes, want: &str, read: impl Fn(Bytes) -> Result<T, Malformed>)
where
    T: std::fmt::Debug,
{
    assert_eq!(format!("{:?}", read(bytes.clone()).unwrap()), want);
    for len in 0..bytes.len() {
        assert!(read(bytes.slice(..len)).is_err(), "cut at {len}");
    }
    let longer = [&bytes[..], b"x"].concat();
    assert!(read(longer.into()).is_err(), "too long");
}

#[test]
fn messages_are_read_back() {
    check(
        &encode_append(append()),
        &format!("{:?}", append()),
        decode_append,
    );
    let mut ask = VoteRequest::new(vote(), Some(at(2, 9)));
    ask.leadership_transfer = true;
    check(
        &encode_vote_request(&ask),
        &format!("{ask:?}"),
        decode_vote_request,
    );
    let promise = VoteResponse::new(vote(), None, true);
    check(
        &encode_vote_response(&promise),
        &format!("{promise:?}"),
        decode_vote_response,
    );
    let transfer = TransferLeaderRequest::new(vote(), 5, Some(at(2, 9)));
    check(
        &encode_transfer(&transfer),
        &format!("{transfer:?}"),
        decode_transfer,
    );
    let last = LogId {
        term: 1,
        leader: 2,
        index: 3,
    };
    let begin = SnapshotBegin {
        vote: vote(),
        last,
        bytes: 99,
        digest: [5; 32],
    };
    check(
        &begin.encode(),
        &format!("{begin:?}"),
        SnapshotBegin::decode,
    );
    check(&encode_vote(&vote()), &format!("{:?}", vote()), decode_vote);
    check(&encode_offset(7), "7", decode_offset);
}

#[test]
fn answers_to_an_append_keep_their_meaning() {
    let (prev, last) = (Some(at(2, 9)), Some(at(3, 11)));
    let read = |response| decode_appended(encode_appended(&response), prev, last).unwrap();
    assert_eq!(read(AppendEntriesResponse::Success), Ok(last));
    let part = Some(at(3, 10));
    assert_eq!(read(AppendEntriesResponse::PartialSuccess(part)), Ok(part));
    let conflict = Err(StreamAppendError::Conflict(at(2, 9)));
    assert_eq!(read(AppendEntriesResponse::Conflict), conflict);
    let higher = Err(StreamAppendError::HigherVote(vote()));
    assert_eq!(read(AppendEntriesResponse::HigherVote(vote())), higher);
}

#[test]
fn a_read_index_says_what_it_is_to_rest_on() {
    for proof in [Proof::Majority, Proof::Lease] {
        assert_eq!(decode_proof(encode_proof(proof)), Ok(proof));
    }
    for unknown in [&[0][..], &[2], &[1, 1]] {
        assert!(decode_proof(Bytes::from_static(unknown)).is_err());
    }
}

#[test]
fn a_bent_piece_of_a_snapshot_is_noticed() {
    let bytes = encode_piece(512, b"piece");
    assert_eq!(
        decode_piece(bytes.clone()),
        Ok((512, Bytes::from_static(b"piece")))
    );
    for at in 8..bytes.len() {
        let mut bent = bytes.to_vec();
        bent[at] ^= 1;
        assert!(decode_piece(bent.into()).is_err(), "byte {at}");
    }
}

#[test]
fn an_index_that_none_can_follow_is_refused() {
    let ask = VoteRequest::new(vote(), Some(at(2, u64::MAX)));
    assert!(decode_vote_request(encode_vote_request(&ask)).is_err());
}

#[test]
fn the_first_format_stays_readable() {
    let fixture = include_str!("../../testdata/v1/append.hex");
    let bytes = hex::decode(fixture.split_whitespace().collect::<String>()).unwrap();
    assert_eq!(hex::encode(encode_append(append())), hex::encode(&bytes));
    assert_eq!(
        format!("{:?}", decode_append(bytes.into()).unwrap()),
        format!("{:?}", append())
    );
}
