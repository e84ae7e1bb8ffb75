//! The hello: both ends prove the cluster key and their credential before anything else is said.
//!
//! 1. caller: who it is, whom it expects, a nonce
//! 2. answerer: who it is, a nonce, a MAC and a signature over 1 and 2
//! 3. caller: its verdict on the answerer, a MAC and a signature over 1, 2 and 3
//! 4. answerer: its verdict on the caller, a MAC over everything
//!
//! A verdict is believed only with a MAC. Both ends hear why they were turned down.

use std::io;

use bytes::{BufMut, Bytes, BytesMut};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};

use crate::config::ClusterKey;
use crate::identity::{Identity, signed_by};
use crate::ids::{ClusterId, LogId, MemberId};
use crate::peers::denial::Denial;
use crate::peers::frame::{self, FrameReader, Kind};
use crate::peers::lane_kind::LaneKind;
use crate::peers::transcript::Transcript;
use crate::wire::{Malformed, Reader, Write};

const MAGIC: [u8; 4] = *b"KLPH";
const VERSION: u16 = 1;
/// The longest frame of a hello.
pub const HELLO_BYTES_MAX: usize = 1024;

/// What a member says of itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    pub member: MemberId,
    pub cluster: Option<ClusterId>,
    pub incarnation: u32,
    pub last_log: Option<LogId>,
    pub key: [u8; 32],
}

/// What an end brings to a hello.
pub struct Party<'a> {
    pub identity: &'a Identity,
    pub last_log: Option<LogId>,
    pub key: &'a ClusterKey,
    pub nonce: [u8; 32],
}

/// How a hello fails.
#[derive(Debug, thiserror::Error)]
pub enum HelloError {
    #[error("the stream broke during the hello: {0}")]
    Stream(#[from] io::Error),
    #[error("the hello is malformed: {0}")]
    Malformed(#[from] Malformed),
    /// We turned the other end down. Its claim, if it proved the key.
    #[error("this member refused the peer: {0}")]
    Refused(Denial, Option<MemberId>),
    /// The other end turned us down, and proved the key as it did.
    #[error("the peer refused this member: {0}")]
    Denied(Denial, MemberId),
}

impl Party<'_> {
    fn claim(&self) -> Claim {
        Claim {
            member: self.identity.member,
            cluster: self.identity.cluster,
            incarnation: self.identity.incarnation,
            last_log: self.last_log,
            key: self.identity.public_key(),
        }
    }
}

fn put_claim(out: &mut BytesMut, party: &Party<'_>) {
    let claim = party.claim();
    out.put_slice(&MAGIC);
    out.put_u16(VERSION);
    out.put_u64(claim.member.0);
    out.option(claim.cluster, |out, id| out.put_slice(&id.0));
    out.put_u32(claim.incarnation);
    out.option(claim.last_log, |out, id| out.log_id(id));
    out.put_slice(&claim.key);
    out.put_slice(&party.nonce);
}

fn read_claim(reader: &mut Reader) -> Result<Claim, HelloError> {
    if reader.array()? != MAGIC {
        return Err(Malformed("it does not begin as one").into());
    }
    if reader.u16()? != VERSION {
        return Err(HelloError::Refused(Denial::FormatFromTheFuture, None));
    }
    let claim = Claim {
        member: reader.member()?,
        cluster: reader.option(Reader::cluster)?,
        incarnation: reader.u32()?,
        last_log: reader.option(Reader::log_id)?,
        key: reader.array()?,
    };
    reader.array::<32>()?;
    Ok(claim)
}

const ANSWERER: &str = "kluster-peer/answerer";
const CALLER: &str = "kluster-peer/caller";
const VERDICT: &str = "kluster-peer/verdict";

async fn say<S: AsyncWrite + Unpin>(stream: &mut S, body: &[u8]) -> io::Result<()> {
    let mut out = BytesMut::new();
    frame::put(&mut out, Kind::Hello, 0, body);
    stream.write_all(&out).await?;
    stream.flush().await
}

async fn hear<S: AsyncRead + Unpin>(stream: &mut FrameReader<S>) -> io::Result<Bytes> {
    match stream.next().await? {
        Some(frame) if frame.kind == Kind::Hello => Ok(frame.body),
        Some(_) => Err(io::Error::new(
            io::ErrorKind::InvalidData,
            "another frame came first",
        )),
        None => Err(io::ErrorKind::UnexpectedEof.into()),
    }
}

/// Opens a stream as the caller. `judge` decides on the answerer, who has proved the key and its credential by then.
pub async fn call<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut FrameReader<S>,
    me: Party<'_>,
    lane: LaneKind,
    expected: MemberId,
    judge: impl FnOnce(&Claim) -> Result<(), Denial>,
) -> Result<Claim, HelloError> {
    let mut transcript = Transcript::new(me.key);
    let mut first = BytesMut::new();
    put_claim(&mut first, &me);
    first.put_u8(lane as u8);
    first.put_u64(expected.0);
    transcript.add(&first);
    say(stream.stream_mut(), &first).await?;

    let mut second = Reader::new(hear(stream).await?);
    let said = second.bytes(second.remaining().saturating_sub(96))?;
    transcript.add(&said);
    let (mac, signature) = (second.array()?, second.array()?);
    let mut said = Reader::new(said);
    let denial = Denial::from_verdict(said.u8()?);
    let proved = transcript.proved(ANSWERER, &mac);
    if let (Some(denial), true) = (denial, proved) {
        return Err(HelloError::Denied(denial, expected));
    }
    let claim = read_claim(&mut said)?;
    said.end()?;
    let verdict = match proved {
        false => Err(Denial::WrongKey),
        true if !signed_by(&claim.key, &transcript.statement(ANSWERER), &signature) => {
            Err(Denial::WrongCredential)
        }
        true => judge(&claim),
    };

    let mut third = BytesMut::new();
    third.put_u8(Denial::verdict(verdict.err()));
    transcript.add(&third);
    transcript.prove(CALLER, &mut third);
    third.put_slice(&me.identity.sign(&transcript.statement(CALLER)));
    say(stream.stream_mut(), &third).await?;
    if let Err(denial) = verdict {
        return Err(HelloError::Refused(denial, proved.then_some(claim.member)));
    }

    let mut fourth = Reader::new(hear(stream).await?);
    let verdict = fourth.u8()?;
    transcript.add(&[verdict]);
    if !transcript.proved(VERDICT, &fourth.array()?) {
        return Err(HelloError::Refused(Denial::WrongKey, None));
    }
    fourth.end()?;
    match Denial::from_verdict(verdict) {
        None => Ok(claim),
        Some(denial) => Err(HelloError::Denied(denial, claim.member)),
    }
}

/// A caller that has proved the key and its credential and waits for the verdict.
pub struct Caller<'a> {
    pub claim: Claim,
    pub lane: LaneKind,
    pub expected: MemberId,
    transcript: Transcript<'a>,
}

/// Answers a stream up to the point where the verdict on the caller is due.
pub async fn answer<'a, S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut FrameReader<S>,
    me: &Party<'a>,
) -> Result<Caller<'a>, HelloError> {
    let mut transcript = Transcript::new(me.key);
    let first = hear(stream).await?;
    transcript.add(&first);
    let mut first = Reader::new(first);
    let claim = read_claim(&mut first);
    let from_the_future = matches!(claim, Err(HelloError::Refused(..)));

    let mut second = BytesMut::new();
    second.put_u8(Denial::verdict(
        from_the_future.then_some(Denial::FormatFromTheFuture),
    ));
    put_claim(&mut second, me);
    transcript.add(&second);
    transcript.prove(ANSWERER, &mut second);
    second.put_slice(&me.identity.sign(&transcript.statement(ANSWERER)));
    if from_the_future || claim.is_ok() {
        say(stream.stream_mut(), &second).await?;
    }
    let claim = claim?;
    let (lane, expected) = (LaneKind::from_u8(first.u8()?)?, first.member()?);
    first.end()?;

    let mut third = Reader::new(hear(stream).await?);
    let verdict = third.u8()?;
    transcript.add(&[verdict]);
    let (mac, signature) = (third.array()?, third.array()?);
    third.end()?;
    let caller = Caller {
        claim,
        lane,
        expected,
        transcript,
    };
    if !caller.transcript.proved(CALLER, &mac) {
        return Err(refuse(stream, caller, Denial::WrongKey, false).await);
    }
    if !signed_by(&claim.key, &caller.transcript.statement(CALLER), &signature) {
        return Err(refuse(stream, caller, Denial::WrongCredential, true).await);
    }
    match Denial::from_verdict(verdict) {
        None => Ok(caller),
        Some(denial) => Err(HelloError::Denied(denial, claim.member)),
    }
}

async fn refuse<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut FrameReader<S>,
    caller: Caller<'_>,
    denial: Denial,
    proved: bool,
) -> HelloError {
    let member = proved.then_some(caller.claim.member);
    if let Err(error) = conclude(stream, caller, Some(denial)).await {
        tracing::debug!(%error, "a refused peer did not wait for the reason");
    }
    HelloError::Refused(denial, member)
}

/// Tells the caller the verdict.
pub async fn conclude<S: AsyncRead + AsyncWrite + Unpin>(
    stream: &mut FrameReader<S>,
    caller: Caller<'_>,
    denial: Option<Denial>,
) -> Result<(), HelloError> {
    let Caller { mut transcript, .. } = caller;
    let mut fourth = BytesMut::new();
    fourth.put_u8(Denial::verdict(denial));
    transcript.add(&fourth);
    transcript.prove(VERDICT, &mut fourth);
    Ok(say(stream.stream_mut(), &fourth).await?)
}

#[cfg(test)]
#[path = "hello_tests.rs"]
mod tests;
