//! Watchers of keys: who is told of which changes.
//!
//! One task reads each change once ([`Watches::publish`]) and marks the watches whose keys it touches, with the revision they
//! have to go on from; it never waits for any of them. A watcher that is marked looks its changes up: in the recent ones, or
//! in the history where it is slow or has begun in the past. So what a watcher costs does not depend on how slow it is, and
//! one that nothing happened to is not even woken.
//!
//! What this does not do: it knows no protocol, and keeps no watch that its owner has dropped.

mod recent;
mod registry;
mod watcher;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use node_engines::kv::{Keys, Revision};
use node_engines::{KeyChange, Portion, ReadError, Reader};
use node_host::Host;
use tokio::sync::watch;

use recent::Recent;
use registry::Registry;
pub use watcher::{Told, WatchId, Watcher};

use crate::work;

/// What is read in one go, about.
const PORTION: Portion = Portion {
    changes: 1024,
    bytes: 2 << 20,
};

/// The watches of a node. A clone is the same.
#[derive(Clone)]
pub struct Watches {
    host: Host,
    reader: Reader,
    revisions: watch::Receiver<Revision>,
    /// How far the publisher has come.
    told: watch::Sender<Revision>,
    state: Arc<Mutex<State>>,
}

/// What the publisher and the watchers share.
struct State {
    /// The changes up to this revision are known here: whoever is concerned is marked.
    published: Revision,
    recent: Recent,
    registry: Registry,
}

impl Watches {
    /// No watches yet, of the state that `reader` reads and whose revision `revisions` tells.
    pub fn new(host: Host, reader: Reader, revisions: watch::Receiver<Revision>) -> Watches {
        let state = State {
            published: reader.revision(),
            recent: Recent::default(),
            registry: Registry::default(),
        };
        Watches {
            told: watch::Sender::new(state.published),
            host,
            reader,
            revisions,
            state: Arc::new(Mutex::new(state)),
        }
    }

    /// Tells of every change, for as long as the node applies any. Ends with an error if the history can not be read.
    pub async fn publish(&self) -> Result<(), ReadError> {
        let mut revisions = self.revisions.clone();
        loop {
            let now = *revisions.borrow_and_update();
            self.publish_up_to(now).await?;
            self.told.send_replace(now);
            if revisions.changed().await.is_err() {
                // The machine is gone: nothing is applied any more.
                return std::future::pending().await;
            }
        }
    }

    async fn publish_up_to(&self, now: Revision) -> Result<(), ReadError> {
        loop {
            let from = {
                let mut state = self.lock();
                if state.published >= now {
                    return Ok(());
                }
                if state.registry.is_empty() {
                    state.pass_over(now);
                    return Ok(());
                }
                state.published.next()
            };
            let read = self.read(from, every_key()).await?;
            let mut state = self.lock();
            if state.published.next() != from {
                // The last watch went, and another one came.
                continue;
            }
            match read {
                Ok((changes, up_to)) => state.publish(changes, up_to),
                // A snapshot took this node past what was given up since: watchers find that out.
                Err(_compacted) => {
                    state.registry.mark_all(from);
                    state.pass_over(now);
                }
            }
        }
    }

    /// Reads changes where blocking is allowed.
    async fn read(&self, from: Revision, keys: Keys) -> Result<Changes, ReadError> {
        let reader = self.reader.clone();
        let reading = work::lend(&self.host, move || reader.changes(from, &keys, PORTION));
        reading
            .await
            .expect("invariant: reading does not panic, and outlives nobody who waits for it")
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing panics between two changes that belong together.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Takes over changes that were read from the last published revision on, all of them up to another one.
    fn publish(&mut self, changes: Vec<KeyChange>, up_to: Revision) {
        for change in changes {
            self.registry.mark(&change.now.key, change.revision());
            self.recent.push(Arc::new(change));
        }
        self.published = self.published.max(up_to);
    }

    /// Nobody is told of what came up to `now`.
    fn pass_over(&mut self, now: Revision) {
        self.recent = Recent::default();
        self.published = now;
    }
}

fn every_key() -> Keys {
    Keys::beginning_with(b"")
}

type Changes = Result<(Vec<KeyChange>, Revision), node_engines::Rejection>;

#[cfg(test)]
mod tests;
