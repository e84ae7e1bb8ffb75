//! Whether this member may begin anew, as it stands now.

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;

use crate::errors::AdminError;
use crate::ids::MemberId;
use crate::membership::{self, Member, Roster};
use crate::peers::Greeting;
use crate::raft::changes::Changes;
use crate::raft::convert;
use crate::raft::recovery::{Asked, Seen, check};

/// A member that may begin anew.
pub struct Survivor {
    pub member: MemberId,
    /// The incarnation that begins with it.
    pub incarnation: u32,
    /// The membership of it alone.
    pub membership: Bytes,
}

impl Changes {
    /// Checks all guards, the costly one last: it says hello to the other members. Nothing is changed.
    pub async fn may_recover(&self, asked: Asked) -> Result<Survivor, AdminError> {
        let observer = &self.observer;
        if observer.now().fatal.is_some() {
            return Err(AdminError::Stopped);
        }
        let me = observer.gate.identity().member;
        let others = observer.others().await;
        let seen = self.seen(BTreeSet::from([me.0]));
        check(asked, &seen).map_err(AdminError::Refused)?;
        let greetings = observer.pool.greet(&others).await;
        let accepted = greetings
            .into_iter()
            .filter(|(_, greeting)| *greeting == Greeting::Accepted);
        let reached = accepted.map(|(id, _)| id).chain([me.0]).collect();
        // Much may have come to light meanwhile.
        observer.refresh();
        let seen = self.seen(reached);
        check(asked, &seen).map_err(AdminError::Refused)?;
        let incarnation = seen.incarnation.checked_add(1);
        Ok(Survivor {
            member: me,
            incarnation: incarnation.ok_or_else(|| AdminError::Unavailable {
                reason: "incarnations have come to their end".to_owned(),
            })?,
            membership: membership::encode(&self.alone(me, &seen.roster)),
        })
    }

    fn seen(&self, reached: BTreeSet<u64>) -> Seen {
        let observer = &self.observer;
        let (metrics, identity) = (observer.metrics(), observer.gate.identity());
        let status = observer.compose(&metrics);
        Seen {
            me: identity.member,
            cluster: identity.cluster,
            incarnation: identity.incarnation,
            last_index: status.last_log.map(|id| id.index),
            removed: status.self_removed,
            leader: observer.living_leader(&metrics),
            roster: convert::roster(metrics.membership_config.membership()),
            reached,
        }
    }

    fn alone(&self, me: MemberId, roster: &Roster) -> Roster {
        let known = roster.members.get(&me.0).cloned().unwrap_or_default();
        let member = Member {
            peer_address: self.observer.advertise.clone(),
            ..known
        };
        Roster {
            configs: vec![BTreeSet::from([me.0])],
            members: BTreeMap::from([(me.0, member)]),
        }
    }
}
