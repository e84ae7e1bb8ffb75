//! A stream between two simulated nodes whose bytes take time, and which can be cut.

use std::collections::VecDeque;
use std::io::{self, ErrorKind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::time::Sleep;

/// Bytes under way in one direction before the writer waits.
const WINDOW_BYTES: usize = 1 << 20;

/// Breaks a stream from outside.
#[derive(Clone)]
pub struct Cut(Arc<Both>);

struct Both {
    cut: AtomicBool,
    there: Mutex<Lane>,
    back: Mutex<Lane>,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// Bytes that no timer runs for yet, and those whose time has come.
    sent: VecDeque<u8>,
    closed: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
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
}

impl Cut {
    /// Breaks it: both ends see a reset.
    pub fn cut(&self) {
        self.0.cut.store(true, Ordering::Relaxed);
        for lane in [&self.0.there, &self.0.back] {
            locked(lane).wake();
        }
    }

    /// Whether it is broken.
    pub fn is_cut(&self) -> bool {
        self.0.cut.load(Ordering::Relaxed)
    }
}

fn locked(lane: &Mutex<Lane>) -> MutexGuard<'_, Lane> {
    lane.lock()
        .expect("invariant: nobody panics while holding a lane")
}

/// Two ends of a stream, with `delay` between a write and the read that sees it.
pub fn pair(delay: Duration) -> (End, End, Cut) {
    let both = Arc::new(Both {
        cut: AtomicBool::new(false),
        there: Mutex::default(),
        back: Mutex::default(),
    });
    let end = |first| End {
        both: both.clone(),
        first,
        delay,
        timer: None,
    };
    (end(true), end(false), Cut(both.clone()))
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

    fn check(&self) -> io::Result<()> {
        if self.both.cut.load(Ordering::Relaxed) {
            return Err(ErrorKind::ConnectionReset.into());
        }
        Ok(())
    }
}

impl AsyncRead for End {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.check()?;
        {
            let mut lane = locked(self.incoming());
            if lane.sent.is_empty() {
                if lane.closed {
                    return Poll::Ready(Ok(()));
                }
                lane.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        let delay = self.delay;
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
        self.check()?;
        let mut lane = locked(self.outgoing());
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
        Poll::Ready(self.check())
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
