//! One object by its name, as a stream that never ends: RBAC lets a node see no more than that.

use std::fmt::Debug;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures::stream::{BoxStream, Stream, StreamExt, unfold};
use k8s_openapi::serde::de::DeserializeOwned;
use kube::api::Api;
use kube::runtime::watcher::{self, Event, watcher};
use kube::{Resource, ResourceExt};

use super::outage::Outage;
use crate::backoff::Backoff;

/// A watch is opened anew after this many seconds, so that a connection that died silently is noticed.
const WATCH_SECONDS: u32 = 60;
/// First and longest wait before a watch that failed is opened again.
const RETRY: (Duration, Duration) = (Duration::from_millis(500), Duration::from_secs(4));

struct Watch<S> {
    events: Pin<Box<S>>,
    /// Whether the list under way has shown the object.
    listed: bool,
    backoff: Backoff,
    outage: Arc<Outage>,
    /// What the log calls it.
    what: String,
}

/// The object now and after each change; `None` while there is none. Failures are ridden out.
pub fn object<K>(api: Api<K>, name: &str, outage: Arc<Outage>) -> BoxStream<'static, Option<K>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
{
    let config = watcher::Config::default()
        .fields(&format!("metadata.name={name}"))
        .timeout(WATCH_SECONDS);
    let watch = Watch {
        events: Box::pin(watcher(api, config)),
        listed: false,
        backoff: Backoff::new(RETRY.0, RETRY.1, name),
        outage,
        what: format!("watch of {} {name}", K::kind(&())),
    };
    unfold(watch, async |mut watch| {
        let object = watch.next().await?;
        Some((object, watch))
    })
    .boxed()
}

impl<K, S> Watch<S>
where
    K: ResourceExt,
    S: Stream<Item = watcher::Result<Event<K>>>,
{
    /// What the object is next; `None` if the watcher ended, which it never does.
    async fn next(&mut self) -> Option<Option<K>> {
        loop {
            let event = match self.events.next().await? {
                Ok(event) => event,
                Err(error) => {
                    self.outage.failed(&self.what, &error);
                    tokio::time::sleep(self.backoff.fail()).await;
                    continue;
                }
            };
            // `Init` says that a list is about to be asked for: nobody answered yet.
            if !matches!(event, Event::Init) {
                self.outage.answered(&self.what);
                self.backoff.reset();
            }
            if let Some(object) = self.read(event) {
                return Some(object);
            }
        }
    }

    fn read(&mut self, event: Event<K>) -> Option<Option<K>> {
        match event {
            Event::Init => {
                self.listed = false;
                None
            }
            Event::InitApply(object) => {
                self.listed = true;
                Some(Some(object))
            }
            Event::InitDone => (!self.listed).then_some(None),
            Event::Apply(object) => Some(Some(object)),
            Event::Delete(_) => Some(None),
        }
    }
}
