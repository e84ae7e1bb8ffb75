//! Which watches there are, found by the keys that change.

use std::collections::BTreeMap;
use std::ops::Bound::{Included, Unbounded};
use std::sync::Arc;

use bytes::Bytes;
use node_engines::kv::{End, Keys, Revision};

use super::watcher::{Wake, WatchId};

/// A watch: what of, from when on, and who is told.
pub struct Watch {
    pub keys: Keys,
    pub from: Revision,
    pub wake: Arc<Wake>,
    pub id: WatchId,
}

/// The number of a watch on this node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Number(u64);

/// Every watch: those of one key by that key, those of a range by its first key.
#[derive(Default)]
pub struct Registry {
    last: u64,
    by_key: BTreeMap<Bytes, BTreeMap<Number, Watch>>,
    by_range: BTreeMap<Bytes, BTreeMap<Number, Watch>>,
    watches: usize,
}

impl Registry {
    pub fn is_empty(&self) -> bool {
        self.watches == 0
    }

    pub fn len(&self) -> usize {
        self.watches
    }

    pub fn add(&mut self, watch: Watch) -> Number {
        self.last += 1;
        let number = Number(self.last);
        let from = watch.keys.from.clone();
        let of = self.of(&watch.keys);
        of.entry(from).or_default().insert(number, watch);
        self.watches += 1;
        number
    }

    pub fn remove(&mut self, keys: &Keys, number: Number) {
        let of = self.of(keys);
        let Some(watches) = of.get_mut(&keys.from) else {
            return;
        };
        let removed = watches.remove(&number).is_some();
        if watches.is_empty() {
            of.remove(&keys.from);
        }
        self.watches -= usize::from(removed);
    }

    /// Marks the watches that a change of `key` concerns.
    pub fn mark(&self, key: &[u8], revision: Revision) {
        let of_key = self.by_key.get(key).into_iter();
        // Of a range that holds the key, the first key is not after it.
        let up_to = (Unbounded, Included(key));
        let of_ranges = self
            .by_range
            .range::<[u8], _>(up_to)
            .map(|(_, watches)| watches);
        for watch in of_key.chain(of_ranges).flat_map(BTreeMap::values) {
            if revision >= watch.from && watch.keys.contains(key) {
                watch.wake.mark(watch.id, revision);
            }
        }
    }

    /// Marks all watches.
    pub fn mark_all(&self, revision: Revision) {
        let all = self.by_key.values().chain(self.by_range.values());
        for watch in all.flat_map(BTreeMap::values) {
            watch.wake.mark(watch.id, revision.max(watch.from));
        }
    }

    fn of(&mut self, keys: &Keys) -> &mut BTreeMap<Bytes, BTreeMap<Number, Watch>> {
        match keys.end {
            End::Same => &mut self.by_key,
            End::Before(_) | End::Open => &mut self.by_range,
        }
    }
}
