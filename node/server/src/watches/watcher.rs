//! One who watches: any number of watches, told of in turn.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use node_engines::kv::{Keys, Revision};
use node_engines::{KeyChange, ReadError};
use node_host::Flaw;
use tokio::sync::Notify;

use super::Watches;
use super::registry::{Number, Watch};

/// Most watches on a node.
const WATCHES_MAX: usize = 131_072;
/// A watcher is told of so many bytes at a time, and of one write at least.
const BYTES_PER_TURN: usize = 1 << 20;

/// A watcher's own name for a watch.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct WatchId(pub i64);

/// There are as many watches as a node serves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the node has {WATCHES_MAX} watches already: ask another")]
pub struct TooMany;

/// What a watcher is told of.
#[derive(Debug)]
pub enum Told {
    /// Changes of a watch's keys: all those up to a revision, which is whole.
    Changes {
        /// The watch.
        watch: WatchId,
        /// The changes, in order; none where nothing concerned the watch.
        changes: Vec<Arc<KeyChange>>,
        /// The revision up to which the watch was told of everything.
        up_to: Revision,
    },
    /// The history that a watch has to go on from is given up. The watch is gone.
    Compacted {
        /// The watch.
        watch: WatchId,
    },
}

/// What the publisher leaves for a watcher: which watches have to go on, and from when on.
#[derive(Default)]
pub struct Wake {
    marked: Mutex<BTreeMap<WatchId, Revision>>,
    notify: Notify,
    /// A later mark takes the place of an earlier one, which it must not.
    skips: bool,
}

impl Wake {
    /// A watch has something to be told of from a revision on, or from an earlier one.
    pub fn mark(&self, watch: WatchId, revision: Revision) {
        let mut marked = self.lock();
        let mark = marked.entry(watch).or_insert(revision);
        if self.skips {
            *mark = revision;
        }
        self.notify.notify_one();
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<WatchId, Revision>> {
        // Nothing panics between two changes that belong together.
        self.marked.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// One who watches. Dropped, it takes its watches with it.
pub struct Watcher {
    watches: Watches,
    wake: Arc<Wake>,
    own: BTreeMap<WatchId, (Keys, Number)>,
    /// The watch that was told of last, so that each has its turn.
    last: Option<WatchId>,
}

impl Watches {
    /// One who watches nothing yet.
    pub fn watcher(&self) -> Watcher {
        Watcher {
            watches: self.clone(),
            wake: Arc::new(Wake {
                skips: self.host.has(Flaw::WatchSkips),
                ..Wake::default()
            }),
            own: BTreeMap::new(),
            last: None,
        }
    }
}

impl Watcher {
    /// Begins to watch `keys` from a revision on, or after the last write that this node has applied; `id` is not in use.
    /// On return everything up to that write is published.
    pub async fn watch(
        &mut self,
        id: WatchId,
        keys: Keys,
        from: Option<Revision>,
    ) -> Result<(), TooMany> {
        self.register(id, keys, from)?;
        self.up_to_now().await;
        Ok(())
    }

    /// Waits until everything that this node has applied by now is published.
    pub async fn up_to_now(&self) {
        let now = self.watches.reader.revision();
        let mut told = self.watches.told.subscribe();
        // The sender lives as long as this handle.
        told.wait_for(|published| *published >= now).await.ok();
    }

    fn register(&mut self, id: WatchId, keys: Keys, from: Option<Revision>) -> Result<(), TooMany> {
        let mut state = self.watches.lock();
        if state.registry.len() >= WATCHES_MAX {
            return Err(TooMany);
        }
        let now = self.watches.reader.revision().max(state.published);
        let back = u64::from(self.watches.host.has(Flaw::WatchRepeats));
        let from = from.map(|from| Revision(from.0.saturating_sub(back)));
        let watch = Watch {
            keys: keys.clone(),
            from: from.unwrap_or(now.next()),
            wake: self.wake.clone(),
            id,
        };
        if watch.from <= state.published {
            self.wake.mark(id, watch.from);
        }
        let number = state.registry.add(watch);
        self.own.insert(id, (keys, number));
        Ok(())
    }

    /// The revision up to which everyone who is concerned is marked.
    pub fn published(&self) -> Revision {
        self.watches.lock().published
    }

    /// Ends a watch.
    pub fn unwatch(&mut self, id: WatchId) {
        if let Some((keys, number)) = self.own.remove(&id) {
            self.watches.lock().registry.remove(&keys, number);
            self.wake.lock().remove(&id);
        }
    }

    /// Waits until a watch has something to be told of.
    pub async fn marked(&self) {
        loop {
            let notified = self.wake.notify.notified();
            if !self.wake.lock().is_empty() {
                return;
            }
            notified.await;
        }
    }

    /// The revision up to which every watch was told of everything; nothing while some have to be told of something.
    pub fn in_step(&self) -> Option<Revision> {
        // Marks are set under this lock.
        let state = self.watches.lock();
        let early = self.watches.host.has(Flaw::ProgressEarly);
        (early || self.wake.lock().is_empty()).then_some(state.published)
    }

    /// Tells one watch of its next changes; nothing where none is marked.
    pub async fn next(&mut self) -> Result<Option<Told>, ReadError> {
        let Some((watch, from)) = self.turn() else {
            return Ok(None);
        };
        let Some((keys, _)) = self.own.get(&watch) else {
            return Ok(None);
        };
        let (changes, up_to) = match self.recent(keys, from) {
            Some(found) => found,
            None => match self.watches.read(from, keys.clone()).await? {
                Ok((changes, up_to)) => self.past(keys, changes, up_to),
                Err(_compacted) => {
                    self.unwatch(watch);
                    return Ok(Some(Told::Compacted { watch }));
                }
            },
        };
        self.go_on(watch, up_to);
        Ok(Some(Told::Changes {
            watch,
            changes,
            up_to,
        }))
    }

    /// Takes the mark of the next watch.
    fn turn(&mut self) -> Option<(WatchId, Revision)> {
        let mut marked = self.wake.lock();
        let after = |last| (std::ops::Bound::Excluded(last), std::ops::Bound::Unbounded);
        let next = self.last.and_then(|last| marked.range(after(last)).next());
        let (watch, from) = next.or_else(|| marked.iter().next())?;
        let (watch, from) = (*watch, *from);
        marked.remove(&watch);
        drop(marked);
        self.last = Some(watch);
        Some((watch, from))
    }

    /// The next changes, where the last ones have them all.
    fn recent(&self, keys: &Keys, from: Revision) -> Option<(Vec<Arc<KeyChange>>, Revision)> {
        let state = self.watches.lock();
        let recent = state.recent.from(from)?;
        Some(cut(recent.cloned(), keys, state.published))
    }

    /// The next changes of those that were read of the past.
    fn past(
        &self,
        keys: &Keys,
        changes: Vec<KeyChange>,
        up_to: Revision,
    ) -> (Vec<Arc<KeyChange>>, Revision) {
        // What was read may end before what is published; what goes beyond it is told when that is published too.
        let end = up_to.min(self.watches.lock().published);
        let told = changes
            .into_iter()
            .filter(|change| change.revision() <= end);
        cut(told.map(Arc::new), keys, end)
    }

    /// The watch was told of everything up to a revision. If it is not the last one, it goes on from there.
    fn go_on(&self, watch: WatchId, up_to: Revision) {
        let state = self.watches.lock();
        let mut marked = self.wake.lock();
        let next = up_to.next();
        // It may have been marked meanwhile, for a change that it was told of.
        match up_to < state.published {
            true => marked.insert(watch, next),
            false => marked.remove(&watch),
        };
        if !marked.is_empty() {
            self.wake.notify.notify_one();
        }
    }
}

/// The changes of `keys`, those of whole writes up to a number of bytes; and the revision up to which these are all.
fn cut(
    changes: impl Iterator<Item = Arc<KeyChange>>,
    keys: &Keys,
    end: Revision,
) -> (Vec<Arc<KeyChange>>, Revision) {
    let mut bytes = 0;
    let mut found: Vec<Arc<KeyChange>> = Vec::new();
    for change in changes.filter(|change| keys.contains(&change.now.key)) {
        let whole = found
            .last()
            .is_none_or(|last| last.revision() != change.revision());
        if let Some(last) = found.last().filter(|_| whole && bytes >= BYTES_PER_TURN) {
            let up_to = last.revision();
            return (found, up_to);
        }
        bytes += change.now.key.len() + change.now.value.len();
        found.push(change);
    }
    (found, end)
}

impl Drop for Watcher {
    fn drop(&mut self) {
        let mut state = self.watches.lock();
        for (keys, number) in self.own.values() {
            state.registry.remove(keys, *number);
        }
    }
}
