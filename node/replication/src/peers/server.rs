//! Answers the streams that other members open.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::FutureExt;
use futures::future::BoxFuture;
use futures::stream::{FuturesUnordered, StreamExt};
use node_host::{BoxDuplex, Listener};
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::ids::MemberId;
use crate::peers::frame::{self, FRAME_BYTES_MAX, Frame, FrameReader, Kind};
use crate::peers::gate::Gate;
use crate::peers::hello::{self, HELLO_BYTES_MAX, HelloError};
use crate::peers::lane_kind::LaneKind;
use crate::stop::stopped;

/// Streams at a time; further ones are closed at once.
const STREAMS_MAX: usize = 256;
/// The longest a hello may take.
const HELLO_WITHIN: Duration = Duration::from_secs(3);
/// Calls of one stream that are worked on at a time; then it is read no further.
const CALLS_MAX: usize = 4096;
/// Bytes that are gathered into one write.
const WRITE_BYTES: usize = 256 << 10;
/// After a failed accept (out of descriptors, most likely).
const ACCEPT_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// Carries out a call: from whom, what, and its body. Its first poll is made in the order of the calls of a stream.
/// An error is told to the caller as a text.
pub type Handler =
    Arc<dyn Fn(MemberId, Kind, Bytes) -> BoxFuture<'static, Result<Bytes, String>> + Send + Sync>;

/// Answers streams until `stop` turns true (or its sender goes).
pub async fn serve(
    mut listener: Box<dyn Listener>,
    gate: Arc<Gate>,
    handler: Handler,
    mut stop: watch::Receiver<bool>,
) {
    let mut streams = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            () = stopped(&mut stop) => break,
            Some(ended) = streams.join_next() => report(ended),
            accepted = listener.accept() => match accepted {
                Ok((stream, from)) if streams.len() < STREAMS_MAX => {
                    let served = serve_stream(stream, from, gate.clone(), handler.clone());
                    streams.spawn(served);
                }
                Ok((_, from)) => tracing::warn!(from, "closed a peer's stream: there are too many"),
                Err(error) => {
                    tracing::warn!(%error, "failed to accept a peer");
                    tokio::time::sleep(ACCEPT_AGAIN_AFTER).await;
                }
            },
        }
    }
    streams.shutdown().await;
}

fn report(ended: Result<(), tokio::task::JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "the task of a peer's stream died");
    }
}

async fn serve_stream(stream: BoxDuplex, from: String, gate: Arc<Gate>, handler: Handler) {
    let mut stream = FrameReader::new(stream, HELLO_BYTES_MAX);
    let (member, lane) = match tokio::time::timeout(HELLO_WITHIN, admit(&mut stream, &gate)).await {
        Ok(Ok(admitted)) => admitted,
        Ok(Err(HelloError::Refused(denial, member))) => {
            return gate.note_refused(member, denial, &from);
        }
        Ok(Err(HelloError::Denied(denial, by))) => return gate.note_denied(by, denial),
        Ok(Err(error)) => return tracing::debug!(from, %error, "a hello came to nothing"),
        Err(_) => return tracing::debug!(from, "a hello took too long"),
    };
    gate.note_accepted(member);
    stream.bytes_max = FRAME_BYTES_MAX;
    let (reader, writer) = stream.split();
    let serving = Serving {
        gate,
        handler,
        member,
        lane,
    };
    if let Err(error) = serving.answer_calls(reader, writer).await {
        tracing::debug!(from, %member, %error, "a peer's stream broke");
    }
}

async fn admit(
    stream: &mut FrameReader<BoxDuplex>,
    gate: &Gate,
) -> Result<(MemberId, LaneKind), HelloError> {
    let identity = gate.identity();
    let me = gate.party(&identity);
    let answered = hello::answer(stream, &me).await;
    let caller = answered.map_err(|error| gate.weigh(error, me.last_log))?;
    let (member, lane) = (caller.claim.member, caller.lane);
    let verdict = gate.judge_caller(&caller.claim, caller.expected).await;
    hello::conclude(stream, caller, verdict.err()).await?;
    match verdict {
        Ok(()) => Ok((member, lane)),
        Err(denial) => Err(HelloError::Refused(denial, Some(member))),
    }
}

type Answer = (u64, Result<Bytes, String>);

/// A stream past its hello.
struct Serving {
    gate: Arc<Gate>,
    handler: Handler,
    member: MemberId,
    lane: LaneKind,
}

impl Serving {
    async fn answer_calls(
        &self,
        mut reader: FrameReader<ReadHalf<BoxDuplex>>,
        mut writer: WriteHalf<BoxDuplex>,
    ) -> io::Result<()> {
        let mut working: FuturesUnordered<BoxFuture<'static, Answer>> = FuturesUnordered::new();
        let mut out = BytesMut::new();
        let removals = self.gate.removals();
        loop {
            tokio::select! {
                biased;
                Some(answer) = working.next(), if !working.is_empty() => {
                    put_answer(&mut out, answer);
                }
                frame = reader.next(), if working.len() < CALLS_MAX => match frame? {
                    Some(frame) => self.begin(frame, &mut working, &mut out),
                    None => return Ok(()),
                },
            }
            if self.gate.removals() != removals && self.gate.is_removed(self.member) {
                return Err(io::Error::other("the member was removed"));
            }
            while out.len() < WRITE_BYTES {
                let Some(Some(answer)) = working.next().now_or_never() else {
                    break;
                };
                put_answer(&mut out, answer);
            }
            if !out.is_empty() {
                writer.write_all(&out).await?;
                writer.flush().await?;
                out.clear();
            }
        }
    }

    /// Starts on a call. Polled once right here, so that calls reach their handlers in order.
    fn begin(
        &self,
        frame: Frame,
        working: &mut FuturesUnordered<BoxFuture<'static, Answer>>,
        out: &mut BytesMut,
    ) {
        let sequence = frame.sequence;
        if frame.kind == Kind::Ping {
            return frame::put(out, Kind::Pong, sequence, &[]);
        }
        if !self.lane.carries(frame.kind) {
            let why = "this stream is not for such calls".to_owned();
            return put_answer(out, (sequence, Err(why)));
        }
        let mut work = (self.handler)(self.member, frame.kind, frame.body);
        match (&mut work).now_or_never() {
            Some(answer) => put_answer(out, (sequence, answer)),
            None => working.push(work.map(move |answer| (sequence, answer)).boxed()),
        }
    }
}

fn put_answer(out: &mut BytesMut, (sequence, answer): Answer) {
    match answer {
        Ok(body) if frame::fits(&body) => frame::put(out, Kind::Reply, sequence, &body),
        Ok(_) => frame::put(
            out,
            Kind::Failed,
            sequence,
            b"the answer is larger than a frame",
        ),
        Err(why) => frame::put(out, Kind::Failed, sequence, why.as_bytes()),
    }
}

#[cfg(test)]
#[path = "server_tests.rs"]
mod tests;
