//! Calls to one member over one stream: many at a time, answered in any order.
//!
//! The stream is opened when a call needs it and again after it broke. A call that was never written is told apart
//! from one whose answer was lost: the first surely did nothing, the second may have.

use std::collections::BTreeMap;
use std::future::Future;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use node_host::BoxDuplex;
use tokio::io::{AsyncWriteExt, ReadHalf, WriteHalf};
use tokio::sync::{mpsc, oneshot};
use tokio::time::Instant;

use crate::ids::MemberId;
use crate::peers::dialer::Dialer;
use crate::peers::frame::{self, FrameReader, Kind};
use crate::peers::lane_kind::LaneKind;

/// Calls that wait to be written; beyond it a call fails at once.
const CALLS_WAITING_MAX: usize = 8192;
/// Bytes that are gathered into one write.
const WRITE_BYTES: usize = 256 << 10;
/// A stream is looked at so often within the silence after which it is given up.
const LOOKS: u32 = 8;
/// After a failed dial, calls fail at once for so long.
const REDIAL_AFTER: Duration = Duration::from_millis(100);

/// Why a call has no answer.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// It never left this member.
    #[error("not sent: {0}")]
    Unsent(String),
    /// It may have arrived; the answer is lost.
    #[error("no answer: {0}")]
    Lost(String),
    /// The other member says that it could not carry it out.
    #[error("failed there: {0}")]
    Failed(String),
}

struct Call {
    kind: Kind,
    body: Bytes,
    answer: oneshot::Sender<Result<Bytes, CallError>>,
}

/// Calls to one member. A clone is the same lane; when the last one goes, its stream closes.
#[derive(Clone)]
pub struct Lane {
    calls: mpsc::Sender<Call>,
}

/// Where a lane leads.
pub struct Route {
    pub target: MemberId,
    pub address: String,
    pub kind: LaneKind,
    /// A stream that owes an answer and is silent for so long is given up.
    pub silence: Duration,
}

impl Lane {
    /// A lane, and the task that serves it.
    pub fn new(dialer: Arc<Dialer>, route: Route) -> (Lane, impl Future<Output = ()> + Send) {
        let (calls, waiting) = mpsc::channel(CALLS_WAITING_MAX);
        (Lane { calls }, run(dialer, route, waiting))
    }

    /// Makes a call. It takes its place in the order of calls now, whenever the answer is awaited.
    pub fn call(
        &self,
        kind: Kind,
        body: Bytes,
    ) -> impl Future<Output = Result<Bytes, CallError>> + Send + use<> {
        let (answer, answered) = oneshot::channel();
        let sent = if frame::fits(&body) {
            let call = Call { kind, body, answer };
            self.calls
                .try_send(call)
                .map_err(|_| "too many calls are waiting")
        } else {
            Err("the call is larger than a frame")
        };
        async move {
            sent.map_err(|why| CallError::Unsent(why.to_owned()))?;
            let lost = || CallError::Lost("the lane was closed".to_owned());
            answered.await.unwrap_or_else(|_| Err(lost()))
        }
    }
}

async fn run(dialer: Arc<Dialer>, route: Route, mut waiting: mpsc::Receiver<Call>) {
    let mut failed: Option<(Instant, String)> = None;
    while let Some(first) = waiting.recv().await {
        if let Some((until, why)) = &failed
            && Instant::now() < *until
        {
            refuse(first, why);
            continue;
        }
        match dialer.dial(route.target, &route.address, route.kind).await {
            Ok(stream) => {
                failed = None;
                Stream::new(&route).serve(stream, first, &mut waiting).await;
            }
            Err(why) => {
                refuse(first, &why);
                while let Ok(call) = waiting.try_recv() {
                    refuse(call, &why);
                }
                failed = Some((Instant::now() + REDIAL_AFTER, why));
            }
        }
    }
}

fn refuse(call: Call, why: &str) {
    // The caller may have gone.
    let _ = call.answer.send(Err(CallError::Unsent(why.to_owned())));
}

type Owed = BTreeMap<u64, (Instant, oneshot::Sender<Result<Bytes, CallError>>)>;

/// One open stream of a lane.
struct Stream {
    owed: Mutex<Owed>,
    heard: Mutex<Instant>,
    silence: Duration,
}

impl Stream {
    fn new(route: &Route) -> Stream {
        let heard = Mutex::new(Instant::now());
        Stream {
            owed: Mutex::default(),
            heard,
            silence: route.silence,
        }
    }

    fn owed(&self) -> MutexGuard<'_, Owed> {
        self.owed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Writes calls and reads answers until the stream breaks or the lane is closed.
    async fn serve(
        self,
        stream: FrameReader<BoxDuplex>,
        first: Call,
        waiting: &mut mpsc::Receiver<Call>,
    ) {
        let (reader, writer) = stream.split();
        let why = tokio::select! {
            biased;
            why = self.read(reader) => why,
            why = self.write(writer, first, waiting) => why,
        };
        let why = why.map_or_else(
            |error| error.to_string(),
            |()| "the stream closed".to_owned(),
        );
        for (_, (_, answer)) in std::mem::take(&mut *self.owed()) {
            // The caller may have gone.
            let _ = answer.send(Err(CallError::Lost(why.clone())));
        }
    }

    async fn read(&self, mut reader: FrameReader<ReadHalf<BoxDuplex>>) -> io::Result<()> {
        while let Some(frame) = self.next_frame(&mut reader).await? {
            *self.heard.lock().unwrap_or_else(PoisonError::into_inner) = Instant::now();
            let answer = match frame.kind {
                Kind::Reply => Ok(frame.body),
                Kind::Failed => Err(CallError::Failed(
                    String::from_utf8_lossy(&frame.body).into_owned(),
                )),
                _ => continue,
            };
            let owed = self.owed().remove(&frame.sequence);
            if let Some((_, caller)) = owed {
                // The caller may have gone.
                let _ = caller.send(answer);
            }
        }
        Ok(())
    }

    async fn next_frame(
        &self,
        reader: &mut FrameReader<ReadHalf<BoxDuplex>>,
    ) -> io::Result<Option<frame::Frame>> {
        loop {
            match tokio::time::timeout(self.silence / LOOKS, reader.next()).await {
                Ok(frame) => return frame,
                Err(_) if self.is_dead() => return Err(io::ErrorKind::TimedOut.into()),
                Err(_) => {}
            }
        }
    }

    /// An answer is owed for long, and nothing at all was heard for as long.
    fn is_dead(&self) -> bool {
        let heard = *self.heard.lock().unwrap_or_else(PoisonError::into_inner);
        let owed_since = self.owed().first_key_value().map(|(_, (since, _))| *since);
        owed_since.is_some_and(|since| since.max(heard).elapsed() >= self.silence)
    }

    async fn write(
        &self,
        mut writer: WriteHalf<BoxDuplex>,
        first: Call,
        waiting: &mut mpsc::Receiver<Call>,
    ) -> io::Result<()> {
        let mut sequence = 0;
        let mut out = BytesMut::new();
        self.put(&mut out, &mut sequence, first);
        loop {
            while out.len() < WRITE_BYTES {
                let Ok(call) = waiting.try_recv() else { break };
                self.put(&mut out, &mut sequence, call);
            }
            writer.write_all(&out).await?;
            writer.flush().await?;
            out.clear();
            match tokio::time::timeout(self.silence / 3, waiting.recv()).await {
                Ok(Some(call)) => self.put(&mut out, &mut sequence, call),
                Ok(None) => return Ok(()),
                Err(_) if self.owed().is_empty() => {}
                Err(_) => frame::put(&mut out, Kind::Ping, 0, &[]),
            }
        }
    }

    fn put(&self, out: &mut BytesMut, sequence: &mut u64, call: Call) {
        if call.answer.is_closed() {
            return;
        }
        *sequence += 1;
        frame::put(out, call.kind, *sequence, &call.body);
        self.owed().insert(*sequence, (Instant::now(), call.answer));
    }
}
