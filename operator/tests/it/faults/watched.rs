//! The body of a watch's answer, misbehaving: JSON events, one a line.

use std::collections::VecDeque;

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use http_body_util::BodyExt;
use kube::client::DynBody;
use tower::BoxError;

use super::fault::WatchFault;

const GONE: &str = r#"{"type":"ERROR","object":{"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"too old resource version, says a test","reason":"Expired","code":410}}
"#;

/// The same events, but for what `fault` does to them.
pub fn mangle(body: Box<DynBody>, fault: WatchFault) -> Box<DynBody> {
    let events = events(body.into_data_stream().boxed());
    let mangled = match fault {
        WatchFault::Drop(count) => events
            .take(count)
            .chain(one(Err("the connection was reset".into())))
            .boxed(),
        WatchFault::Expire(count) => events
            .take(count)
            .chain(one(Ok(Bytes::from_static(GONE.as_bytes()))))
            .boxed(),
        WatchFault::Delay(pause) => events
            .then(move |event| async move {
                tokio::time::sleep(pause).await;
                event
            })
            .boxed(),
        WatchFault::Replay => replay(events),
    };
    Box::new(axum::body::Body::from_stream(mangled).map_err(BoxError::from))
}

type Events = BoxStream<'static, Result<Bytes, BoxError>>;

fn one(event: Result<Bytes, BoxError>) -> impl futures::Stream<Item = Result<Bytes, BoxError>> {
    futures::stream::once(std::future::ready(event))
}

/// After each event, the one before it.
fn replay(events: Events) -> Events {
    let last: Option<Bytes> = None;
    let doubled = events.scan(last, |last, event| {
        let mut both = vec![];
        match event {
            Ok(event) => {
                both.push(Ok(event.clone()));
                both.extend(last.replace(event).map(Ok));
            }
            Err(error) => both.push(Err(error)),
        }
        std::future::ready(Some(futures::stream::iter(both)))
    });
    doubled.flatten().boxed()
}

/// Cuts a body into whole lines.
fn events(frames: Events) -> Events {
    let state = (frames, Vec::new(), VecDeque::new());
    futures::stream::unfold(state, |(mut frames, mut rest, mut whole)| async move {
        loop {
            if let Some(event) = whole.pop_front() {
                return Some((Ok(event), (frames, rest, whole)));
            }
            match frames.next().await? {
                Err(error) => return Some((Err(error), (frames, rest, whole))),
                Ok(frame) => rest.extend_from_slice(&frame),
            }
            while let Some(end) = rest.iter().position(|byte| *byte == b'\n') {
                let line: Vec<u8> = rest.drain(..=end).collect();
                whole.push_back(Bytes::from(line));
            }
        }
    })
    .boxed()
}
