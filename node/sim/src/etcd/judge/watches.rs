//! A watch is told of every change of its keys from its revision on, once, in order and whole.

use node_api::etcd::etcdserverpb::WatchResponse;
use node_api::etcd::mvccpb::{Event, KeyValue};

use super::compactions::may_be_compacted;
use super::{Bench, Breach};
use crate::etcd::{Leg, within};

/// Checks every stream.
pub fn check(bench: &Bench<'_>) -> Result<(), Breach> {
    let mut legs = bench.evidence.legs.iter();
    legs.try_for_each(|leg| Following::new(bench, leg).follow())
}

/// A stream beside what it has to be told.
struct Following<'a> {
    bench: &'a Bench<'a>,
    leg: &'a Leg,
    /// The next revision that it has to be told of; nothing before it was created.
    next: Option<i64>,
    shown: i64,
}

impl<'a> Following<'a> {
    fn new(bench: &'a Bench<'a>, leg: &'a Leg) -> Following<'a> {
        Following {
            bench,
            leg,
            next: None,
            shown: 0,
        }
    }

    fn follow(mut self) -> Result<(), Breach> {
        let responses = self.leg.responses();
        for response in &responses {
            let looked = self.look(response, &responses);
            looked.map_err(|promise| (promise, format!("{:?} {response:?}", self.whose())))?;
        }
        Ok(())
    }

    fn whose(&self) -> String {
        let Leg { keys, start, .. } = self.leg;
        format!(
            "a watch of {keys:?} from {start}, to be told of {:?}",
            self.next
        )
    }

    fn look(
        &mut self,
        response: &WatchResponse,
        all: &[WatchResponse],
    ) -> Result<(), &'static str> {
        let revision = response.header.as_ref().map_or(0, |header| header.revision);
        if response.canceled {
            return self.look_at_end(response);
        }
        if revision < self.shown {
            return Err("a watch never goes back");
        }
        self.shown = revision;
        if response.created {
            self.next = Some(self.first(revision, all));
            return Ok(());
        }
        let Some(next) = self.next else {
            return Err("a watch is created before it is told of anything");
        };
        if response.events.is_empty() {
            return match self.due(next).is_some_and(|(due, _)| due <= revision) {
                true => Err("progress overtakes no event"),
                false => Ok(()),
            };
        }
        self.look_at_events(next, &response.events)
    }

    /// The revision that it begins with: the one it asked for, or the one after its creation. What came meanwhile it may be told of.
    fn first(&self, created: i64, all: &[WatchResponse]) -> i64 {
        let base = self.bench.history.base;
        let first = all.iter().flat_map(|response| &response.events).next();
        let told = first.and_then(|event| event.kv.as_ref());
        let first = match self.leg.start {
            0 => told.map_or(created + 1, |kv| kv.mod_revision.min(created + 1)),
            start => start,
        };
        first.max(base + 1)
    }

    /// The next revision of which it has to be told, and of what.
    fn due(&self, next: i64) -> Option<(i64, Vec<&'a Event>)> {
        let (from, end) = &self.leg.keys;
        (next..=self.bench.history.end()).find_map(|revision| {
            let events = &self.bench.seen(revision)?.events;
            let touches = |event: &&Event| kv(event).is_some_and(|kv| within(&kv.key, from, end));
            let due: Vec<&Event> = events.iter().filter(touches).collect();
            (!due.is_empty()).then_some((revision, due))
        })
    }

    fn look_at_events(&mut self, next: i64, told: &[Event]) -> Result<(), &'static str> {
        let mut next = next;
        let base = self.bench.history.base;
        // What came before the cluster had a history is not judged.
        let told = told.iter();
        let mut told = told
            .skip_while(|e| kv(e).is_some_and(|kv| kv.mod_revision <= base))
            .peekable();
        while told.peek().is_some() {
            let Some((revision, due)) = self.due(next) else {
                return Err("a watch is told of nothing twice, nor of what never was");
            };
            for event in due {
                let Some(told) = told.next() else {
                    return Err("the changes of one revision come together");
                };
                if (told.r#type, &told.kv) != (event.r#type, &event.kv) {
                    return Err("a watch is told of everything, once and in order");
                }
                if !self.prev_is_right(revision, told) {
                    return Err("a watch is told what was replaced");
                }
            }
            next = revision + 1;
        }
        self.next = Some(next);
        Ok(())
    }

    fn prev_is_right(&self, revision: i64, told: &Event) -> bool {
        let before = revision - 1;
        let Some(state) = self.bench.history.at(before) else {
            return true;
        };
        let replaced = kv(told).and_then(|kv| state.get(&kv.key));
        let given_up = || may_be_compacted(self.bench, before + 1, u64::MAX);
        told.prev_kv.as_ref() == replaced || (told.prev_kv.is_none() && given_up())
    }

    /// Only for a compaction, and only where it went beyond what the watch had to be told of next.
    fn look_at_end(&self, response: &WatchResponse) -> Result<(), &'static str> {
        let wanted = self.next.unwrap_or(self.leg.start);
        let bounds = wanted + 1..=response.compact_revision;
        let compacted = may_be_compacted(self.bench, response.compact_revision, u64::MAX);
        let of_before = wanted <= self.bench.history.base + 1;
        match (compacted && !bounds.is_empty()) || of_before {
            true => Ok(()),
            false => Err("a watch ends for a compaction alone"),
        }
    }
}

fn kv(event: &Event) -> Option<&KeyValue> {
    event.kv.as_ref()
}
