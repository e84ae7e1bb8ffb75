//! The body of a request: a value, bounded in length, in time, and together with all others in memory.

use std::time::Duration;

use bytes::{Bytes, BytesMut};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use node_api::ErrorCode;
use node_engines::VALUE_BYTES_MAX;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::timeout;

use super::answer::Refusal;

/// A client has so long to send a value.
const SEND_WITHIN: Duration = Duration::from_secs(30);
/// What comes of a body that is not wanted is read for so long, and so far, before the answer: a client that is still
/// sending would meet a reset in place of it.
const DRAIN_WITHIN: Duration = Duration::from_secs(5);
const DRAIN_BYTES_MAX: usize = 2 << 20;
/// Bodies up to this length need no room of their own: every connection may have one.
const SMALL_BYTES: u64 = 64 << 10;
/// Larger bodies share this many bytes.
const LARGE_KIB: usize = 256 << 10;

/// The memory that large bodies share.
pub struct Room {
    kib: Semaphore,
}

impl Default for Room {
    fn default() -> Room {
        Room {
            kib: Semaphore::new(LARGE_KIB),
        }
    }
}

impl Room {
    fn take(&self, body: &Incoming) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        let largest = body.size_hint().upper().unwrap_or(VALUE_BYTES_MAX as u64);
        if largest <= SMALL_BYTES {
            return Ok(None);
        }
        let kib = u32::try_from(largest.div_ceil(1 << 10)).unwrap_or(u32::MAX);
        match self.kib.try_acquire_many(kib) {
            Ok(permit) => Ok(Some(permit)),
            Err(_) => Err(Refusal::new(
                503,
                ErrorCode::Busy,
                "too many large values are under way",
            )),
        }
    }

    /// The whole body, while its share of the room (given back with the permit) is held. A client that `waits` to be told to
    /// go on sends nothing that is not asked for.
    pub async fn read(
        &self,
        mut body: Incoming,
        waits: bool,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Refusal> {
        let held = match self.admit(&body) {
            Ok(held) => held,
            Err(refusal) => {
                if !waits {
                    drain(&mut body).await;
                }
                return Err(refusal);
            }
        };
        match timeout(SEND_WITHIN, collect(&mut body)).await {
            Ok(Ok(value)) => Ok((value, held)),
            Ok(Err(refusal)) => {
                drain(&mut body).await;
                Err(refusal)
            }
            Err(_) => {
                let message = format!("the value was not sent within {} s", SEND_WITHIN.as_secs());
                Err(Refusal::new(408, ErrorCode::RequestTimeout, message))
            }
        }
    }

    fn admit(&self, body: &Incoming) -> Result<Option<SemaphorePermit<'_>>, Refusal> {
        if let Some(bytes) = body.size_hint().exact() {
            check_value(bytes)?;
        }
        self.take(body)
    }
}

/// Whether a value may have so many bytes.
pub fn check_value(bytes: u64) -> Result<(), Refusal> {
    match bytes > VALUE_BYTES_MAX as u64 {
        true => Err(too_large(Some(bytes))),
        false => Ok(()),
    }
}

/// Reads what comes of a body and forgets it, up to a bound.
pub async fn drain(body: &mut Incoming) {
    let rest = async {
        let mut bytes = 0;
        while bytes < DRAIN_BYTES_MAX
            && let Some(Ok(frame)) = body.frame().await
        {
            bytes += frame.data_ref().map_or(0, Bytes::len);
        }
    };
    // Who is slower, or sends more, is answered all the same.
    timeout(DRAIN_WITHIN, rest).await.ok();
}

/// A body that came in one piece is taken as it is.
async fn collect(body: &mut Incoming) -> Result<Bytes, Refusal> {
    let (mut first, mut rest) = (Bytes::new(), BytesMut::new());
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| Refusal::bad(format!("the value broke off: {error}")))?;
        let Ok(data) = frame.into_data() else {
            continue;
        };
        if first.len() + rest.len() + data.len() > VALUE_BYTES_MAX {
            return Err(too_large(None));
        }
        match first.is_empty() && rest.is_empty() {
            true => first = data,
            false => {
                if rest.is_empty() {
                    rest.extend_from_slice(&std::mem::take(&mut first));
                }
                rest.extend_from_slice(&data);
            }
        }
    }
    Ok(if rest.is_empty() {
        first
    } else {
        rest.freeze()
    })
}

fn too_large(bytes: Option<u64>) -> Refusal {
    let given = bytes.map_or_else(String::new, |bytes| format!(" {bytes} bytes,"));
    let message = format!("the value has{given} more than {VALUE_BYTES_MAX} bytes");
    Refusal::new(413, ErrorCode::ValueTooLarge, message)
}
