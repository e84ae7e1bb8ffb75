//! One stream of watches, from its first request to its end.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{Stream, StreamExt};
use node_api::etcd::etcdserverpb::watch_create_request::FilterType;
use node_api::etcd::etcdserverpb::watch_request::RequestUnion;
use node_api::etcd::etcdserverpb::{
    ResponseHeader, WatchCreateRequest, WatchRequest, WatchResponse,
};
use node_api::etcd::{CancelReason, Error};
use node_engines::KeyChange;
use node_engines::kv::{End, Keys, Revision};
use tokio::sync::mpsc;
use tokio::time::{Instant, sleep_until};
use tonic::Status;

use super::super::service::{Etcd, number};
use super::super::steps;
use super::events::{event, fragments};
use crate::access::Caller;
use crate::watches::{Told, WatchId, Watcher};
use crate::work;

/// A watch that asked for it is told so often that nothing happened.
const PROGRESS_EVERY: Duration = Duration::from_secs(600);
/// The id in responses that are of no watch.
const NO_WATCH: i64 = -1;

/// How a watch wants to be told.
#[derive(Clone)]
struct Wish {
    keys: Keys,
    puts: bool,
    deletes: bool,
    prev_kv: bool,
    fragment: bool,
    progress: bool,
    /// When it was last told of anything.
    told: Instant,
    /// The revision that it begins with.
    from: Revision,
    /// It was canceled for a compaction. Its id stays in use until the client cancels it too.
    over: bool,
}

/// A stream of watches.
pub struct WatchStream {
    etcd: Etcd,
    caller: Caller,
    responses: mpsc::Sender<Result<WatchResponse, Status>>,
    needs_leader: bool,
    watcher: Watcher,
    wishes: BTreeMap<i64, Wish>,
    next_id: i64,
    /// The client asked how far the stream has come.
    progress_wanted: bool,
    /// The last revision in a header of this stream: there it never goes back.
    shown: Revision,
    /// The client may have more requests.
    listening: bool,
}

/// What the client asks, one after the other.
pub trait Requests: Stream<Item = Result<WatchRequest, Status>> + Send + Unpin {}

impl<S: Stream<Item = Result<WatchRequest, Status>> + Send + Unpin> Requests for S {}

/// The stream is over: the client has gone, or was told why.
struct Over;

impl WatchStream {
    pub fn new(
        etcd: Etcd,
        caller: Caller,
        responses: mpsc::Sender<Result<WatchResponse, Status>>,
        needs_leader: bool,
    ) -> WatchStream {
        WatchStream {
            watcher: etcd.node.watches().watcher(),
            etcd,
            caller,
            responses,
            needs_leader,
            wishes: BTreeMap::new(),
            next_id: 0,
            progress_wanted: false,
            shown: Revision(0),
            listening: true,
        }
    }

    /// Serves the stream until the client ends it, or the node does.
    pub async fn run(mut self, mut requests: impl Requests) {
        while let Ok(()) = self.step(&mut requests).await {}
    }

    async fn step(&mut self, requests: &mut impl Requests) -> Result<(), Over> {
        self.tell_progress().await?;
        let node = self.etcd.node.clone();
        let leaderless = async {
            let mut status = node.watch();
            match self.needs_leader {
                // The sender lives as long as the node.
                true => drop(status.wait_for(|status| status.leaderless).await),
                false => std::future::pending().await,
            }
        };
        let next_progress = self.next_progress();
        tokio::select! {
            biased;
            () = self.etcd.node.ending() => self.end(Error::Stopped).await,
            () = leaderless => self.end(Error::NoLeader).await,
            () = self.responses.closed() => Err(Over),
            request = requests.next(), if self.listening => match request {
                Some(Ok(WatchRequest { request_union })) => self.request(request_union).await,
                // It has said its last word, and may go on listening.
                None => {
                    self.listening = false;
                    Ok(())
                }
                Some(Err(_)) => Err(Over),
            },
            () = self.watcher.marked() => self.tell().await,
            () = sleep_until(next_progress) => self.tell_idle().await,
        }
    }

    async fn end(&self, error: Error) -> Result<(), Over> {
        // The client may have gone.
        self.responses.send(Err(error.into())).await.ok();
        Err(Over)
    }

    async fn send(&self, response: WatchResponse) -> Result<(), Over> {
        let sent = self.responses.send(Ok(response)).await;
        sent.map_err(|_gone| Over)
    }

    fn header(&mut self, revision: Revision) -> ResponseHeader {
        self.shown = self.shown.max(revision);
        self.etcd.header(self.shown)
    }

    async fn request(&mut self, request: Option<RequestUnion>) -> Result<(), Over> {
        match request {
            Some(RequestUnion::CreateRequest(create)) => {
                let node = self.etcd.node.clone();
                let ended = tokio::select! {
                    biased;
                    () = node.ending() => None,
                    created = self.create(create) => Some(created),
                };
                match ended {
                    Some(created) => created,
                    None => self.end(Error::Stopped).await,
                }
            }
            Some(RequestUnion::CancelRequest(cancel)) => self.cancel(cancel.watch_id).await,
            Some(RequestUnion::ProgressRequest(_)) => {
                self.progress_wanted = true;
                // Nothing is published any more once the node ends.
                tokio::select! {
                    biased;
                    () = self.etcd.node.ending() => self.end(Error::Stopped).await,
                    () = self.watcher.up_to_now() => Ok(()),
                }
            }
            None => Ok(()),
        }
    }

    async fn create(&mut self, request: WatchCreateRequest) -> Result<(), Over> {
        let (watch_id, canceled, cancel_reason) = match self.begin(&request).await {
            Ok(id) => (id, false, String::new()),
            Err(reason) => (NO_WATCH, true, reason),
        };
        let revision = self.watcher.published();
        let header = Some(self.header(revision));
        self.send(WatchResponse {
            header,
            watch_id,
            created: true,
            canceled,
            cancel_reason,
            ..WatchResponse::default()
        })
        .await?;
        let compacted = number(self.etcd.node.reader().history().compacted.0);
        match (1..compacted).contains(&request.start_revision) && !canceled {
            true => {
                self.watcher.unwatch(WatchId(watch_id));
                self.compacted(watch_id).await
            }
            false => Ok(()),
        }
    }

    /// Begins a watch, and gives its id; or says why not.
    async fn begin(&mut self, request: &WatchCreateRequest) -> Result<i64, String> {
        let refused = |reason: CancelReason| reason.as_str().to_owned();
        let from = match u64::try_from(request.start_revision) {
            Ok(0) => None,
            Ok(revision) => Some(Revision(revision)),
            Err(_) => return Err(refused(CancelReason::Compacted)),
        };
        let first = match request.key.is_empty() {
            true => Bytes::from_static(&[0]),
            false => request.key.clone(),
        };
        let keys = steps::keys(first, request.range_end.clone());
        if let Some(reason) = self.not_allowed(&keys) {
            return Err(refused(reason));
        }
        if is_empty(&keys) {
            return Err(refused(CancelReason::EmptyRange));
        }
        let id = self.free_id(request.watch_id);
        let id = id.ok_or_else(|| refused(CancelReason::DuplicateId))?;
        let begun = self.watcher.watch(WatchId(id), keys.clone(), from).await;
        begun.map_err(|too_many| too_many.to_string())?;
        let without = |filter: FilterType| !request.filters.contains(&filter.into());
        let wish = Wish {
            keys,
            puts: without(FilterType::Noput),
            deletes: without(FilterType::Nodelete),
            prev_kv: request.prev_kv,
            fragment: request.fragment,
            progress: request.progress_notify,
            told: Instant::now(),
            from: from.unwrap_or_default(),
            over: false,
        };
        self.wishes.insert(id, wish);
        Ok(id)
    }

    /// Why the client may not read keys, if it may not.
    fn not_allowed(&self, keys: &Keys) -> Option<CancelReason> {
        let error = self.etcd.may_read(&self.caller, keys).err()?;
        let known = [
            (Error::InvalidAuthToken, CancelReason::InvalidAuthToken),
            (Error::UserEmpty, CancelReason::UserEmpty),
        ];
        let known = known
            .into_iter()
            .find(|(known, _)| known.message() == error.message());
        Some(known.map_or(CancelReason::PermissionDenied, |(_, reason)| reason))
    }

    /// The id that a client wishes, or the next one; nothing where it is in use.
    fn free_id(&mut self, wished: i64) -> Option<i64> {
        if wished != 0 {
            return (!self.wishes.contains_key(&wished)).then_some(wished);
        }
        while self.wishes.contains_key(&self.next_id) {
            self.next_id += 1;
        }
        let id = self.next_id;
        self.next_id += 1;
        Some(id)
    }

    async fn cancel(&mut self, id: i64) -> Result<(), Over> {
        match self.wishes.contains_key(&id) {
            true => self.end_watch(id, String::new()).await,
            false => Ok(()),
        }
    }

    /// Tells the next watch of what happened.
    async fn tell(&mut self) -> Result<(), Over> {
        let told = match self.watcher.next().await {
            Ok(Some(told)) => told,
            Ok(None) => return Ok(()),
            Err(error) => return self.failed(&error).await,
        };
        match told {
            Told::Compacted { watch } => self.compacted(watch.0).await,
            Told::Changes {
                watch,
                changes,
                up_to,
            } => self.changes(watch.0, changes, up_to).await,
        }
    }

    async fn failed(&self, error: &node_engines::ReadError) -> Result<(), Over> {
        let status = self.etcd.read_failed(error);
        self.responses.send(Err(status)).await.ok();
        Err(Over)
    }

    async fn compacted(&mut self, id: i64) -> Result<(), Over> {
        if let Some(wish) = self.wishes.get_mut(&id) {
            (wish.over, wish.progress) = (true, false);
        }
        let compacted = self.etcd.node.reader().history().compacted;
        // As etcd says it, which knows no revision here.
        let header = Some(self.etcd.header(Revision(0)));
        self.send(WatchResponse {
            header,
            watch_id: id,
            canceled: true,
            compact_revision: number(compacted.0),
            ..WatchResponse::default()
        })
        .await
    }

    async fn changes(
        &mut self,
        id: i64,
        changes: Vec<Arc<KeyChange>>,
        up_to: Revision,
    ) -> Result<(), Over> {
        let Some(wish) = self.wishes.get_mut(&id) else {
            return Ok(());
        };
        let shown = |change: &Arc<KeyChange>| match change.deleted {
            true => wish.deletes,
            false => wish.puts,
        };
        let shown: Vec<_> = changes.into_iter().filter(shown).collect();
        if shown.is_empty() {
            return Ok(());
        }
        wish.told = Instant::now();
        let wish = wish.clone();
        // Whoever may not read the keys any more is not told of them.
        if let Some(reason) = self.not_allowed(&wish.keys) {
            return self.end_watch(id, reason.as_str().to_owned()).await;
        }
        let reader = self.etcd.node.reader().clone();
        let look_up = move || {
            let events = shown.iter();
            let events = events.map(|change| event(&reader, change, wish.prev_kv));
            events.collect::<Result<Vec<_>, _>>()
        };
        let events = match wish.prev_kv {
            // Each is a look-up on the disk.
            true => work::lend(self.etcd.node.host(), look_up)
                .await
                .expect("invariant: reading does not panic, and outlives nobody who waits for it"),
            false => look_up(),
        };
        let events = match events {
            Ok(events) => events,
            Err(error) => return self.failed(&error).await,
        };
        let whole = WatchResponse {
            header: Some(self.header(up_to)),
            watch_id: id,
            events,
            ..WatchResponse::default()
        };
        for response in fragments(whole, wish.fragment) {
            self.send(response).await?;
        }
        Ok(())
    }

    /// Ends a watch, and says why where its client did not ask for it.
    async fn end_watch(&mut self, id: i64, cancel_reason: String) -> Result<(), Over> {
        self.wishes.remove(&id);
        self.watcher.unwatch(WatchId(id));
        let header = Some(self.header(Revision(0)));
        self.send(WatchResponse {
            header,
            watch_id: id,
            canceled: true,
            cancel_reason,
            ..WatchResponse::default()
        })
        .await
    }

    /// Answers a request for progress, once every watch was told of everything.
    async fn tell_progress(&mut self) -> Result<(), Over> {
        if !self.progress_wanted {
            return Ok(());
        }
        let Some(revision) = self.watcher.in_step() else {
            return Ok(());
        };
        self.progress_wanted = false;
        match self.all_begin_by(revision.next()) {
            true => self.progress(NO_WATCH, revision).await,
            false => Ok(()),
        }
    }

    /// Nothing is said of the progress of a watch that begins later, nor where there is none.
    fn all_begin_by(&self, revision: Revision) -> bool {
        let mut watched = self.wishes.values().filter(|wish| !wish.over).peekable();
        watched.peek().is_some() && watched.all(|wish| wish.from <= revision)
    }

    /// Tells watches that nothing happened to them for long.
    async fn tell_idle(&mut self) -> Result<(), Over> {
        let now = Instant::now();
        let Some(revision) = self.watcher.in_step() else {
            return Ok(());
        };
        let idle = |wish: &Wish| wish.progress && wish.told + PROGRESS_EVERY <= now;
        let idle: Vec<i64> = self
            .wishes
            .iter_mut()
            .filter(|(_, wish)| idle(wish))
            .map(|(id, wish)| {
                wish.told = now;
                *id
            })
            .collect();
        for id in idle {
            self.progress(id, revision).await?;
        }
        Ok(())
    }

    fn next_progress(&self) -> Instant {
        let wanted = self.wishes.values().filter(|wish| wish.progress);
        let next = wanted.map(|wish| wish.told + PROGRESS_EVERY).min();
        next.unwrap_or_else(|| Instant::now() + PROGRESS_EVERY)
    }

    async fn progress(&mut self, id: i64, revision: Revision) -> Result<(), Over> {
        let header = Some(self.header(revision));
        self.send(WatchResponse {
            header,
            watch_id: id,
            ..WatchResponse::default()
        })
        .await
    }
}

/// Whether no key can lie in a range.
fn is_empty(keys: &Keys) -> bool {
    matches!(&keys.end, End::Before(end) if *end <= keys.from)
}
