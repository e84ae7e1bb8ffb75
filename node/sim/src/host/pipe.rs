//! A stream between two simulated nodes whose bytes take time; it can be held, and it can break.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes under way in one direction before the writer waits.
const WINDOW_BYTES: usize = 1 << 20;

/// A stream, for whoever disturbs it from outside.
#[derive(Clone)]
pub struct Line(Arc<Both>);

struct Both {
    there: Mutex<Lane>,
    back: Mutex<Lane>,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Bytes that no timer runs for yet, and those whose time has come.
    sent: VecDeque<u8>,
    closed: bool,
    /// Nothing arrives for now.
    held: bool,
    broken: Broken,
    /// Time that bytes take beyond the usual.
    slow: Duration,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

#[derive(Clone, Copy, Default, PartialEq, Eq)]
enum Broken {
    #[default]
    Not,
    /// Both ends see a reset.
    AtOnce,
    /// The writer sees a reset; what is under way arrives before the reader sees it too.
    AfterArrival,
}

impl Lane {
    fn wake(&mut self) {
        for waker in [self.reader.take(), self.writer.take()]
            .into_iter()
            .flatten()
        {
            waker.wake();
        }
    }

    /// Whether a reader has to wait though bytes may be there.
    fn is_silent(&self) -> bool {
        self.held && self.broken != Broken::AtOnce
    }
}

/// From which end a direction leads.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// From the end that dialled.
    There,
    /// To it.
    Back,
}

impl Line {
    fn lanes(&self) -> [&Mutex<Lane>; 2] {
        [&self.0.there, &self.0.back]
    }

    /// Breaks it: both ends see a reset at once.
    pub fn cut(&self) {
        for lane in self.lanes() {
            let mut lane = locked(lane);
            lane.broken = Broken::AtOnce;
            lane.wake();
        }
    }

    /// Breaks it for the writers; what they sent still arrives.
    pub fn cut_after_arrival(&self) {
        for lane in self.lanes() {
            let mut lane = locked(lane);
            if lane.broken == Broken::Not {
                lane.broken = Broken::AfterArrival;
            }
            lane.wake();
        }
    }

    /// Holds back what is sent in that direction, or lets it arrive.
    pub fn hold(&self, direction: Direction, held: bool) {
        let [there, back] = self.lanes();
        let mut lane = match direction {
            Direction::There => locked(there),
            Direction::Back => locked(back),
        };
        lane.held = held;
        lane.wake();
    }

    /// From now on bytes take so much longer.
    pub fn slow_down(&self, by: Duration) {
        for lane in self.lanes() {
            locked(lane).slow = by;
        }
    }

    /// Whether it is broken.
    pub fn is_cut(&self) -> bool {
        locked(&self.0.there).broken != Broken::Not
    }
}

fn locked(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock()
        .expect("invariant: nobody panics while holding a lane")
}

/// Two ends of a stream, with `delay` between a write and the read that sees it. The first end is the one that dialled.
pub fn pair(delay: Duration) -> (End, End, Line) {
    let both = Arc::new(Both {
        there: Mutex::default(),
        back: Mutex::default(),
    });
    let end = |first| End {
        both: both.clone(),
        first,
        delay,
        timer: None,
    };
    (end(true), end(false), Line(both.clone()))
}

/// One end.
pub struct End {
    both: Arc<Both>,
    first: bool,
    delay: Duration,
    /// Runs while bytes lie in the lane that have not travelled long enough.
    timer: Option<Pin<Box<Sleep>>>,
}

impl End {
    fn incoming(&self) -> &Mutex<Lane> {
        if self.first {
            &self.both.back
        } else {
            &self.both.there
        }
    }

    fn outgoing(&self) -> &Mutex<Lane> {
        if self.first {
            &self.both.there
        } else {
            &self.both.back
        }
    }
}

fn reset() -> io::Error {
    ErrorKind::ConnectionReset.into()
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let delay = {
            let mut lane = locked(self.incoming());
            if lane.broken == Broken::AtOnce {
                return Poll::Ready(Err(reset()));
            }
            if lane.is_silent() {
                lane.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            if lane.sent.is_empty() {
                if lane.broken != Broken::Not {
                    return Poll::Ready(Err(reset()));
                }
                if lane.closed {
                    return Poll::Ready(Ok(()));
                }
                lane.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
            self.delay + lane.slow
        };
        let timer = self
            .timer
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(delay)));
        if timer.as_mut().poll(cx).is_pending() {
            // A cut must wake the reader also while it waits for the timer.
            locked(self.incoming()).reader = Some(cx.waker().clone());
            return Poll::Pending;
        }
        self.timer = None;
        let mut lane = locked(self.incoming());
        let count = buffer.remaining().min(lane.sent.len());
        let bytes: Vec<u8> = lane.sent.drain(..count).collect();
        buffer.put_slice(&bytes);
        if let Some(writer) = lane.writer.take() {
            writer.wake();
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for End {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut lane = locked(self.outgoing());
        if lane.broken != Broken::Not {
            return Poll::Ready(Err(reset()));
        }
        if lane.closed {
            return Poll::Ready(Err(ErrorKind::BrokenPipe.into()));
        }
        let room = WINDOW_BYTES - lane.sent.len().min(WINDOW_BYTES);
        if room == 0 {
            lane.writer = Some(cx.waker().clone());
            return Poll::Pending;
        }
        let taken = bytes.get(..room.min(bytes.len())).unwrap_or(bytes);
        lane.sent.extend(taken);
        if let Some(reader) = lane.reader.take() {
            reader.wake();
        }
        Poll::Ready(Ok(taken.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match locked(self.outgoing()).broken {
            Broken::Not => Poll::Ready(Ok(())),
            _ => Poll::Ready(Err(reset())),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut lane = locked(self.outgoing());
        lane.closed = true;
        lane.wake();
        Poll::Ready(Ok(()))
    }
}

impl Drop for End {
    fn drop(&mut self) {
        for lane in [&self.both.there, &self.both.back] {
            let mut lane = locked(lane);
            lane.closed = true;
            lane.wake();
        }
    }
}
