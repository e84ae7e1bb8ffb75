//! What the nodes' own history says of each revision, and when it was there first.

use std::time::Duration;

use bytes::Bytes;
use node_api::etcd::mvccpb::event::EventType;
use node_api::etcd::mvccpb::{Event, KeyValue};
use node_engines::kv::{self, End, Keys, Query, Revision};
use node_engines::{KeyChange, Portion, Reader};

use super::State;
use crate::World;
use crate::clients;

/// Where keys of the API have histories.
const LEVEL: u32 = 2;

/// All of the history.
const ALL: Portion = Portion {
    changes: usize::MAX,
    bytes: usize::MAX,
};

/// A revision.
pub struct Seen {
    /// What changed, in order.
    pub events: Vec<Event>,
    /// When it was there first.
    pub at: (u64, Duration),
}

/// All revisions since the cluster keeps a history.
pub struct Record {
    moments: clients::History,
    /// The first revision of which all keys are known, and the keys.
    base: Option<(i64, State)>,
    /// When that was there first.
    base_at: u64,
    seen: Vec<Seen>,
    now: State,
    /// What was missing when it was looked for.
    missing: Option<String>,
}

impl Record {
    /// Nothing yet; moments are those of `moments`.
    pub fn new(moments: clients::History) -> Record {
        Record {
            moments,
            base: None,
            base_at: 0,
            seen: Vec::new(),
            now: State::new(),
            missing: None,
        }
    }

    /// Looks after a step at the nodes that had news in it; at all of them until there is a first revision, so that nothing
    /// is written before it.
    pub fn look(&mut self, world: &World) {
        if self.base.is_none() {
            (0..world.size()).for_each(|n| self.look_at(world, n));
        }
        for (n, _) in world.news() {
            self.look_at(world, *n);
        }
    }

    /// Looks at what a node has.
    pub fn look_at(&mut self, world: &World, n: usize) {
        let Some(node) = world.node(n) else { return };
        let reader = node.reader();
        let last = reader.revision();
        if number(last) > self.end() && reader.feature_level() >= LEVEL {
            self.follow(reader, last, (self.moments.moment(), world.age()));
        }
    }

    fn follow(&mut self, reader: &Reader, last: Revision, at: (u64, Duration)) {
        if self.base.is_none() {
            let mut query = Query::all(everything());
            query.revision = Some(last);
            if let Ok(Ok((_, found))) = reader.query(&query) {
                let kvs = found.items.into_iter().map(key_value);
                self.now = kvs.map(|kv| (kv.key.clone(), kv)).collect();
                self.base = Some((number(last), self.now.clone()));
                self.base_at = at.0;
            }
            return;
        }
        let from = Revision((self.end() + 1).unsigned_abs());
        // A node whose disk has failed can not be read.
        let Ok(read) = reader.changes(from, &Keys::beginning_with(b""), ALL) else {
            return;
        };
        let Ok((changes, up_to)) = read else {
            self.missing
                .get_or_insert(format!("no changes from revision {from} on"));
            return;
        };
        let mut changes = changes.into_iter().peekable();
        for revision in from.0..=up_to.0 {
            let mut events = Vec::new();
            while let Some(change) = changes.next_if(|change| change.revision().0 == revision) {
                events.push(event(change));
            }
            events.iter().for_each(|event| apply(&mut self.now, event));
            self.seen.push(Seen { events, at });
        }
    }

    /// The first revision of which all keys are known, and the keys.
    pub fn base(&self) -> Option<&(i64, State)> {
        self.base.as_ref()
    }

    /// The moment at which that revision was there first; some before it may have been there no sooner.
    pub fn base_at(&self) -> u64 {
        self.base_at
    }

    /// The last revision.
    pub fn end(&self) -> i64 {
        let base = self.base.as_ref().map_or(0, |(revision, _)| *revision);
        base + self.seen.len() as i64
    }

    /// All keys at the last revision.
    pub fn now(&self) -> &State {
        &self.now
    }

    /// Every revision after the first.
    pub fn seen(&self) -> &[Seen] {
        &self.seen
    }

    /// What was missing when it was looked for.
    pub fn missing(&self) -> Option<&str> {
        self.missing.as_deref()
    }
}

/// Does to a state what an event says.
pub fn apply(state: &mut State, event: &Event) {
    let Some(kv) = &event.kv else { return };
    match event.r#type() {
        EventType::Put => state.insert(kv.key.clone(), kv.clone()),
        EventType::Delete => state.remove(&kv.key),
    };
}

fn everything() -> Keys {
    Keys {
        from: Bytes::from_static(&[0]),
        end: End::Open,
    }
}

fn event(change: KeyChange) -> Event {
    let kind = match change.deleted {
        true => EventType::Delete,
        false => EventType::Put,
    };
    Event {
        r#type: kind.into(),
        kv: Some(key_value(change.now)),
        prev_kv: None,
    }
}

fn key_value(kv: kv::KeyValue) -> KeyValue {
    KeyValue {
        key: kv.key,
        value: kv.value,
        create_revision: number(kv.created),
        mod_revision: number(kv.modified),
        version: i64::try_from(kv.version).unwrap_or(i64::MAX),
        lease: kv.lease.0,
    }
}

fn number(revision: Revision) -> i64 {
    i64::try_from(revision.0).unwrap_or(i64::MAX)
}
