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

    /// The whole body, while its share of the room (given back with the permit) is held.
    pub async fn read(
        &self,
        body: Incoming,
    ) -> Result<(Bytes, Option<SemaphorePermit<'_>>), Refusal> {
        if let Some(bytes) = body
            .size_hint()
            .exact()
            .filter(|bytes| *bytes > VALUE_BYTES_MAX as u64)
        {
            return Err(too_large(Some(bytes)));
        }
        let held = self.take(&body)?;
        match timeout(SEND_WITHIN, collect(body)).await {
            Ok(value) => Ok((value?, held)),
            Err(_) => {
                let message = format!("the value was not sent within {} s", SEND_WITHIN.as_secs());
                Err(Refusal::new(408, ErrorCode::RequestTimeout, message))
            }
        }
    }
}

/// A body that came in one piece is taken as it is.
async fn collect(mut body: Incoming) -> Result<Bytes, Refusal> {
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
