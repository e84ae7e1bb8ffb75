//! The lanes of this member, by member and use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::future::join_all;

use crate::ids::MemberId;
use crate::membership::Member;
use crate::peers::dialer::{Dialer, Greeting};
use crate::peers::lane::{Lane, Route};
use crate::peers::lane_kind::LaneKind;

/// The lanes of this member. Lanes are made when first asked for and go when their member does.
pub struct Pool {
    dialer: Arc<Dialer>,
    silence: Duration,
    lanes: Mutex<BTreeMap<(MemberId, LaneKind), (String, Lane)>>,
}

impl Pool {
    /// Streams that owe an answer and are silent for `silence` are given up.
    pub fn new(dialer: Arc<Dialer>, silence: Duration) -> Pool {
        Pool {
            dialer,
            silence,
            lanes: Mutex::default(),
        }
    }

    /// The lane of this kind to a member at this address. A new address replaces the lane.
    pub fn lane(&self, target: MemberId, address: &str, kind: LaneKind) -> Lane {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((known, lane)) = lanes.get(&(target, kind))
            && known == address
        {
            return lane.clone();
        }
        let route = Route {
            target,
            address: address.to_owned(),
            kind,
            silence: self.silence,
        };
        let (lane, serve) = Lane::new(self.dialer.clone(), route);
        // It ends when the last lane goes: with the pool at the latest.
        tokio::spawn(serve);
        lanes.insert((target, kind), (address.to_owned(), lane.clone()));
        lane
    }

    /// Says hello to all of these members at once, past the lanes.
    pub async fn greet(&self, members: &BTreeMap<u64, Member>) -> BTreeMap<u64, Greeting> {
        let greet = |(id, member): (&u64, &Member)| {
            let (id, address, dialer) = (*id, member.peer_address.clone(), self.dialer.clone());
            async move { (id, dialer.greet(MemberId(id), &address).await) }
        };
        let greetings: Vec<(u64, Greeting)> = join_all(members.iter().map(greet)).await;
        greetings.into_iter().collect()
    }

    /// Drops the lanes to everyone else.
    pub fn keep(&self, members: &BTreeSet<u64>) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.retain(|(target, _), _| members.contains(&target.0));
    }

    /// Drops one lane: what waits for an answer on it has lost it.
    pub fn forget(&self, target: MemberId, kind: LaneKind) {
        let mut lanes = self.lanes.lock().unwrap_or_else(PoisonError::into_inner);
        lanes.remove(&(target, kind));
    }

    /// Drops all lanes.
    pub fn close(&self) {
        self.keep(&BTreeSet::new());
    }
}
