//! What members say to each other, as bytes. Version 1 of each body; the hello agrees on the version.

use bytes::{BufMut, Bytes, BytesMut};
use openraft::alias::{LogIdOf, VoteOf};
use openraft::raft::{
    AppendEntriesRequest, AppendEntriesResponse, StreamAppendError, StreamAppendResult,
    TransferLeaderRequest, VoteRequest, VoteResponse,
};

use crate::contract::Proof;
use crate::ids::LogId;
use crate::log::{Record, RecordKind, Vote};
use crate::raft::config::C;
use crate::raft::convert;
use crate::wire::{Malformed, Reader, Write};

/// Beside its payload, what an entry takes in an append.
const ENTRY_HEAD_BYTES: usize = 24 + 1 + 4;

fn put_vote(out: &mut BytesMut, vote: &VoteOf<C>) {
    let Vote {
        term,
        node,
        committed,
    } = convert::vote(vote);
    out.put_u64(term);
    out.put_u64(node);
    out.flag(committed);
}

fn read_vote(reader: &mut Reader) -> Result<VoteOf<C>, Malformed> {
    let (term, node) = (reader.u64()?, reader.u64()?);
    Ok(convert::raft_vote(Vote {
        term,
        node,
        committed: reader.flag()?,
    }))
}

fn put_log_id(out: &mut BytesMut, id: Option<&LogIdOf<C>>) {
    out.option(id.map(convert::log_id), |out, id| out.log_id(id));
}

fn read_log_id(reader: &mut Reader) -> Result<Option<LogIdOf<C>>, Malformed> {
    Ok(reader.option(Reader::log_id)?.map(convert::raft_log_id))
}

fn kind_number(kind: RecordKind) -> u8 {
    match kind {
        RecordKind::Blank => 0,
        RecordKind::Command => 1,
        RecordKind::Membership => 2,
    }
}

fn kind_from(number: u8) -> Result<RecordKind, Malformed> {
    match number {
        0 => Ok(RecordKind::Blank),
        1 => Ok(RecordKind::Command),
        2 => Ok(RecordKind::Membership),
        _ => Err(Malformed("an entry is of an unknown kind")),
    }
}

pub fn encode_append(request: AppendEntriesRequest<C>) -> Bytes {
    let records: Vec<Record> = request.entries.into_iter().map(convert::record).collect();
    let bytes: usize = records
        .iter()
        .map(|r| ENTRY_HEAD_BYTES + r.payload.len())
        .sum();
    let mut out = BytesMut::with_capacity(96 + bytes);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.prev_log_id.as_ref());
    put_log_id(&mut out, request.leader_commit.as_ref());
    out.put_u32(u32::try_from(records.len()).expect("invariant: an append has few entries"));
    for record in &records {
        out.log_id(record.id);
        out.put_u8(kind_number(record.kind));
        out.blob(&record.payload);
    }
    out.freeze()
}

/// The payloads share the memory of `body`.
pub fn decode_append(body: Bytes) -> Result<AppendEntriesRequest<C>, Malformed> {
    let mut reader = Reader::new(body);
    let vote = read_vote(&mut reader)?;
    let prev_log_id = read_log_id(&mut reader)?;
    let leader_commit = read_log_id(&mut reader)?;
    let count = reader.u32()? as usize;
    let mut entries = Vec::with_capacity(count.min(reader.remaining() / ENTRY_HEAD_BYTES));
    for _ in 0..count {
        let id = reader.log_id()?;
        let kind = kind_from(reader.u8()?)?;
        let payload = reader.blob()?;
        entries.push(convert::entry(Record { id, kind, payload })?);
    }
    reader.end()?;
    Ok(AppendEntriesRequest {
        vote,
        prev_log_id,
        entries,
        leader_commit,
    })
}

pub fn encode_appended(response: &AppendEntriesResponse<C>) -> Bytes {
    let mut out = BytesMut::with_capacity(32);
    match response {
        AppendEntriesResponse::Success => out.put_u8(0),
        AppendEntriesResponse::PartialSuccess(last) => {
            out.put_u8(1);
            put_log_id(&mut out, last.as_ref());
        }
        AppendEntriesResponse::Conflict => out.put_u8(2),
        AppendEntriesResponse::HigherVote(vote) => {
            out.put_u8(3);
            put_vote(&mut out, vote);
        }
    }
    out.freeze()
}

/// `prev` and `last` are those of the request that this answers.
pub fn decode_appended(
    body: Bytes,
    prev: Option<LogIdOf<C>>,
    last: Option<LogIdOf<C>>,
) -> Result<StreamAppendResult<C>, Malformed> {
    let mut reader = Reader::new(body);
    let result = match reader.u8()? {
        0 => Ok(last),
        1 => Ok(read_log_id(&mut reader)?),
        2 => Err(StreamAppendError::Conflict(
            prev.ok_or(Malformed("an append after nothing cannot conflict"))?,
        )),
        3 => Err(StreamAppendError::HigherVote(read_vote(&mut reader)?)),
        _ => return Err(Malformed("an append was answered in an unknown way")),
    };
    reader.end()?;
    Ok(result)
}

pub fn encode_vote_request(request: &VoteRequest<C>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    put_vote(&mut out, &request.vote);
    put_log_id(&mut out, request.last_log_id.as_ref());
    out.flag(request.leadership_transfer);
    out.freeze()
}

pub fn decode_vote_request(body: Bytes) -> Result<VoteRequest<C>, Malformed> {
    let mut reader = Reader::new(body);
    let mut request = VoteRequest::new(read_vote(&mut reader)?, read_log_id(&mut reader)?);
    request.leadership_transfer = reader.flag()?;
    reader.end()?;
    Ok(request)
}

pub fn encode_vote_response(response: &VoteResponse<C>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    put_vote(&mut out, &response.vote);
    out.flag(response.vote_granted);
    put_log_id(&mut out, response.last_log_id.as_ref());
    out.freeze()
}

pub fn decode_vote_response(body: Bytes) -> Result<VoteResponse<C>, Malformed> {
    let mut reader = Reader::new(body);
    let vote = read_vote(&mut reader)?;
    let granted = reader.flag()?;
    let last_log_id = read_log_id(&mut reader)?;
    reader.end()?;
    Ok(VoteResponse::new(vote, last_log_id, granted))
}

pub fn encode_transfer(request: &TransferLeaderRequest<C>) -> Bytes {
    let mut out = BytesMut::with_capacity(64);
    put_vote(&mut out, request.from_leader());
    out.put_u64(*request.to_node_id());
    put_log_id(&mut out, request.last_log_id());
    out.freeze()
}

pub fn decode_transfer(body: Bytes) -> Result<TransferLeaderRequest<C>, Malformed> {
    let mut reader = Reader::new(body);
    let (from, to) = (read_vote(&mut reader)?, reader.u64()?);
    let last_log_id = read_log_id(&mut reader)?;
    reader.end()?;
    Ok(TransferLeaderRequest::new(from, to, last_log_id))
}

/// The head of a snapshot's transfer.
#[derive(Clone, Debug, PartialEq)]
pub struct SnapshotBegin {
    pub vote: VoteOf<C>,
    pub last: LogId,
    pub bytes: u64,
    pub digest: [u8; 32],
}

impl SnapshotBegin {
    pub fn encode(&self) -> Bytes {
        let mut out = BytesMut::with_capacity(96);
        put_vote(&mut out, &self.vote);
        out.log_id(self.last);
        out.put_u64(self.bytes);
        out.put_slice(&self.digest);
        out.freeze()
    }

    pub fn decode(body: Bytes) -> Result<SnapshotBegin, Malformed> {
        let mut reader = Reader::new(body);
        let begin = SnapshotBegin {
            vote: read_vote(&mut reader)?,
            last: reader.log_id()?,
            bytes: reader.u64()?,
            digest: reader.array()?,
        };
        reader.end()?;
        Ok(begin)
    }
}

/// Where a snapshot goes on, as the answer to its beginning.
pub fn encode_offset(at: u64) -> Bytes {
    Bytes::copy_from_slice(&at.to_be_bytes())
}

pub fn decode_offset(body: Bytes) -> Result<u64, Malformed> {
    let mut reader = Reader::new(body);
    let at = reader.u64()?;
    reader.end()?;
    Ok(at)
}

pub fn encode_piece(offset: u64, bytes: &[u8]) -> Bytes {
    let mut out = BytesMut::with_capacity(12 + bytes.len());
    out.put_u64(offset);
    out.put_u32(crc32c::crc32c(bytes));
    out.put_slice(bytes);
    out.freeze()
}

pub fn decode_piece(body: Bytes) -> Result<(u64, Bytes), Malformed> {
    let mut reader = Reader::new(body);
    let (offset, crc) = (reader.u64()?, reader.u32()?);
    let bytes = reader.rest();
    if crc32c::crc32c(&bytes) != crc {
        return Err(Malformed("the checksum of a piece of a snapshot is wrong"));
    }
    Ok((offset, bytes))
}

/// What a read index is to rest on: nothing is said of a majority, as before there was anything else.
pub fn encode_proof(proof: Proof) -> Bytes {
    match proof {
        Proof::Majority => Bytes::new(),
        Proof::Lease => Bytes::from_static(&[1]),
    }
}

pub fn decode_proof(body: Bytes) -> Result<Proof, Malformed> {
    match body[..] {
        [] => Ok(Proof::Majority),
        [1] => Ok(Proof::Lease),
        _ => Err(Malformed("a read asks for an unknown proof")),
    }
}

/// A vote alone: the answer to a snapshot.
pub fn encode_vote(vote: &VoteOf<C>) -> Bytes {
    let mut out = BytesMut::with_capacity(17);
    put_vote(&mut out, vote);
    out.freeze()
}

pub fn decode_vote(body: Bytes) -> Result<VoteOf<C>, Malformed> {
    let mut reader = Reader::new(body);
    let vote = read_vote(&mut reader)?;
    reader.end()?;
    Ok(vote)
}

#[cfg(test)]
#[path = "messages_tests.rs"]
mod tests;
