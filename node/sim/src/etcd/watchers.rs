//! Clients that watch ranges, are cut off, and go on where they were on another node.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::Bytes;
use futures::stream::{StreamExt, unfold};
use node_api::etcd::etcdserverpb::watch_request::RequestUnion;
use node_api::etcd::etcdserverpb::{
    WatchCreateRequest, WatchProgressRequest, WatchRequest, WatchResponse,
};
use node_server::etcd::Etcd;
use node_server::{Caller, Node};
use tokio::sync::{mpsc, oneshot};

use super::{Record, draws, within};
use crate::clients::History;
use crate::host::Chance;
use crate::world::World;

/// How many watch.
const WATCHERS: usize = 3;
/// The longest time that a watch stays on a node, in milliseconds.
const STAYS_MS: u64 = 8000;
/// The longest time between two watches, in milliseconds.
const AWAY_MS: u64 = 800;
/// The longest time between two questions for progress, in milliseconds.
const PROGRESS_MS: u64 = 1500;
/// The longest time that a slow one rests after each response, in milliseconds.
const SLOW_MS: u64 = 700;
/// Requests on their way.
const REQUESTS_MAX: usize = 4;

/// One stream: what was asked for, and what came.
#[derive(Clone)]
pub struct Leg {
    /// The first key, and the end of the range.
    pub keys: (Bytes, Bytes),
    /// The revision it begins with; 0 for whatever comes.
    pub start: i64,
    /// Whether it goes on after another one.
    pub resumes: bool,
    /// When it began.
    pub invoked: u64,
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    responses: Vec<WatchResponse>,
    over: bool,
}

impl Leg {
    fn lock(&self) -> MutexGuard<'_, Heard> {
        self.heard
            .lock()
            .expect("invariant: nobody panics while hearing")
    }

    /// What came, in order.
    pub fn responses(&self) -> Vec<WatchResponse> {
        self.lock().responses.clone()
    }

    /// The revision that a client goes on with, as etcd's own does.
    pub fn next(&self) -> i64 {
        let mut next = self.start;
        for response in &self.lock().responses {
            let revision = response.header.as_ref().map_or(0, |header| header.revision);
            let last = response.events.last().and_then(|event| event.kv.as_ref());
            if response.canceled {
                next = next.max(response.compact_revision);
            } else if response.created {
                next = if next == 0 { revision + 1 } else { next };
            } else if let Some(kv) = last {
                next = next.max(kv.mod_revision + 1);
            } else {
                next = next.max(revision + 1);
            }
        }
        next
    }
}

/// All of them.
pub struct Watchers {
    moments: History,
    chance: Chance,
    legs: Vec<Leg>,
    watchers: Vec<Watcher>,
    /// False once nobody leaves a node any more.
    open: bool,
}

/// One of them.
#[derive(Default)]
struct Watcher {
    keys: Option<(Bytes, Bytes)>,
    next: i64,
    away_until: Duration,
    watching: Option<Watching>,
}

struct Watching {
    leg: Leg,
    machine: usize,
    life: u64,
    until: Duration,
    requests: mpsc::Sender<WatchRequest>,
    progress_at: Duration,
    /// Dropped, it ends the stream.
    _stay: oneshot::Sender<()>,
}

impl Watchers {
    /// Nobody watches yet; moments are those of `moments`.
    pub fn new(chance: Chance, moments: History) -> Watchers {
        Watchers {
            moments,
            chance,
            legs: Vec::new(),
            watchers: (0..WATCHERS).map(|_| Watcher::default()).collect(),
            open: true,
        }
    }

    /// Every stream so far.
    pub fn legs(&self) -> &[Leg] {
        &self.legs
    }

    /// From now on nobody leaves a node on their own.
    pub fn close(&mut self) {
        self.open = false;
        for watching in self.watchers.iter_mut().filter_map(|w| w.watching.as_mut()) {
            // Slow ones hurry from their next stream on.
            watching.until = Duration::ZERO;
        }
    }

    /// Whether everybody heard of everything.
    pub fn have_all(&self, record: &Record) -> bool {
        self.watchers.iter().all(|watcher| {
            let Some(Watching { leg, .. }) = &watcher.watching else {
                return false;
            };
            let (from, end) = &leg.keys;
            let touches = |event: &node_api::etcd::mvccpb::Event| {
                event
                    .kv
                    .as_ref()
                    .is_some_and(|kv| within(&kv.key, from, end))
            };
            let seen = record.seen().iter().rev();
            let quiet = seen.take_while(|seen| !seen.events.iter().any(touches));
            let last = record.end() - quiet.count() as i64;
            let next = leg.next();
            next > 0 && (next > last || record.base().is_none_or(|(base, _)| last <= *base))
        })
    }

    /// Lets each do what it is time for.
    pub fn step(&mut self, world: &World, record: &Record) {
        let mut watchers = std::mem::take(&mut self.watchers);
        for watcher in &mut watchers {
            match watcher.watching.take() {
                Some(watching) => watcher.watching = self.go_on(world, watcher, watching),
                None if world.age() >= watcher.away_until => {
                    watcher.watching = self.begin(world, record, watcher);
                }
                None => {}
            }
        }
        self.watchers = watchers;
    }

    fn go_on(
        &self,
        world: &World,
        watcher: &mut Watcher,
        mut watching: Watching,
    ) -> Option<Watching> {
        let Watching { machine, life, .. } = watching;
        let gone = world.lives(machine) != life || !world.is_running(machine);
        let leaves = world.age() >= watching.until && (self.open || watching.until.is_zero());
        if gone || leaves || watching.leg.lock().over {
            watcher.next = watching.leg.next();
            let what = format!("a watch on n{machine} ends at {}", watcher.next);
            world.trace().note(world.age(), what);
            let away = self.chance.below(AWAY_MS);
            watcher.away_until = world.age() + Duration::from_millis(away);
            return None;
        }
        if world.age() >= watching.progress_at {
            let wait = self.chance.below(PROGRESS_MS);
            watching.progress_at = world.age() + Duration::from_millis(wait);
            let progress = RequestUnion::ProgressRequest(WatchProgressRequest {});
            // A stream that is behind has no room for it.
            drop(watching.requests.try_send(request(progress)));
        }
        Some(watching)
    }

    fn begin(&mut self, world: &World, record: &Record, watcher: &mut Watcher) -> Option<Watching> {
        let machine = self.chance.below(world.size() as u64) as usize;
        let node = world.node(machine)?;
        let anew = watcher.keys.is_none() || (self.open && self.chance.below(6) == 0);
        if anew {
            watcher.keys = Some(draws::range(&self.chance));
            watcher.next = match self.chance.below(3) {
                0 => 0,
                // Or one of the future.
                1 => record.end() + self.chance.below(4) as i64,
                _ => draws::past(&self.chance, record).unwrap_or(0),
            };
        }
        let leg = Leg {
            keys: watcher.keys.clone()?,
            start: watcher.next,
            resumes: !anew && watcher.next > 0,
            invoked: self.moments.moment(),
            heard: Arc::default(),
        };
        self.legs.push(leg.clone());
        let (requests, asked) = mpsc::channel(REQUESTS_MAX);
        let create = RequestUnion::CreateRequest(WatchCreateRequest {
            key: leg.keys.0.clone(),
            range_end: leg.keys.1.clone(),
            start_revision: leg.start,
            prev_kv: true,
            ..WatchCreateRequest::default()
        });
        // The channel is new: there is room.
        drop(requests.try_send(request(create)));
        let (stay, left) = oneshot::channel();
        let slow = self.open && self.chance.below(3) == 0;
        let rests = Duration::from_millis(if slow { self.chance.below(SLOW_MS) } else { 0 });
        world.spawn(machine, listen(node, leg.heard.clone(), asked, left, rests));
        let until = Duration::from_millis(self.chance.below(STAYS_MS));
        Some(Watching {
            leg,
            machine,
            life: world.lives(machine),
            until: world.age() + until,
            requests,
            progress_at: world.age(),
            _stay: stay,
        })
    }
}

fn request(union: RequestUnion) -> WatchRequest {
    WatchRequest {
        request_union: Some(union),
    }
}

/// Hears what a stream has to say, until whoever listens leaves.
async fn listen(
    node: Node,
    heard: Arc<Mutex<Heard>>,
    asked: mpsc::Receiver<WatchRequest>,
    left: oneshot::Receiver<()>,
    rests: Duration,
) {
    let lock = || {
        heard
            .lock()
            .expect("invariant: nobody panics while hearing")
    };
    let requests = unfold(asked, |mut asked| async move {
        let request = asked.recv().await?;
        Some((Ok(request), asked))
    });
    if let Ok(responses) =
        Etcd::new(node, "http", 0).watches(Caller::Nobody, requests.boxed(), false)
    {
        let mut responses = responses.take_until(left);
        while let Some(Ok(response)) = responses.next().await {
            let over = response.canceled;
            lock().responses.push(response);
            if over {
                break;
            }
            if !rests.is_zero() {
                tokio::time::sleep(rests).await;
            }
        }
    }
    lock().over = true;
}
