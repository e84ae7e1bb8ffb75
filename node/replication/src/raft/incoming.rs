//! Snapshots on their way in: at most one from each member, written on a worker piece by piece.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use bytes::Bytes;
use node_host::Host;
use openraft::alias::VoteOf;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::blocking;
use crate::ids::MemberId;
use crate::peers::Gate;
use crate::raft::config::{C, Raft};
use crate::raft::messages::{self, SnapshotBegin};
use crate::raft::service::NO_ROOM;
use crate::raft::snapshots::{Put, Receiving, SnapshotFile, Snapshots};
use crate::raft::state_machine::{SnapshotCounts, StateMachine};

/// Members that may send a snapshot at a time: leaders of different terms, at worst.
const SENDERS_MAX: usize = 8;

type Slot = Arc<Mutex<Option<(VoteOf<C>, Receiving)>>>;

/// Snapshots on their way in.
pub struct Incoming {
    host: Host,
    gate: Arc<Gate>,
    snapshots: Arc<Snapshots>,
    counts: Arc<SnapshotCounts>,
    slots: Mutex<BTreeMap<MemberId, Slot>>,
}

fn nothing_begun() -> io::Error {
    io::Error::other("no snapshot was begun")
}

impl Incoming {
    pub fn new(
        host: Host,
        gate: Arc<Gate>,
        snapshots: Arc<Snapshots>,
        counts: Arc<SnapshotCounts>,
    ) -> Incoming {
        Incoming {
            host,
            gate,
            snapshots,
            counts,
            slots: Mutex::default(),
        }
    }

    async fn slot(&self, from: MemberId) -> OwnedMutexGuard<Option<(VoteOf<C>, Receiving)>> {
        let slot = {
            let mut slots = self.slots.lock().await;
            if slots.len() >= SENDERS_MAX && !slots.contains_key(&from) {
                slots.pop_first();
            }
            slots.entry(from).or_default().clone()
        };
        // Waiters come in order: so do the pieces.
        slot.lock_owned().await
    }

    /// A snapshot begins, or goes on after a break: the answer is from which byte. Another one that the same member began
    /// before is dropped. `has_room` says whether the disk takes so many bytes.
    pub async fn begin(
        &self,
        from: MemberId,
        begin: SnapshotBegin,
        has_room: impl Fn(u64) -> bool,
    ) -> io::Result<Bytes> {
        let mut slot = self.slot(from).await;
        slot.take_if(|(_, receiving)| !receiving.is_of(begin.bytes, begin.digest));
        let came = slot
            .as_ref()
            .map_or(0, |(_, receiving)| receiving.written());
        // Once as a file, and once as the state that is made of it.
        if !has_room(begin.bytes.saturating_mul(2) - came) {
            *slot = None;
            return Err(io::Error::other(NO_ROOM));
        }
        if let Some((vote, _)) = &mut *slot {
            if begin.vote < *vote {
                return Err(io::Error::other("it was begun anew by then"));
            }
            *vote = begin.vote;
            if came > 0 {
                self.counts.resumed.fetch_add(1, Ordering::Relaxed);
            }
            return Ok(messages::encode_offset(came));
        }
        let (snapshots, nonce) = (self.snapshots.clone(), self.host.random.u64());
        let open = async move { snapshots.receive(begin.bytes, begin.digest, nonce) };
        let receiving = blocking::run(&self.host, "snapshot", open).await??;
        *slot = Some((begin.vote, receiving));
        Ok(messages::encode_offset(0))
    }

    /// The next piece. One that is refused, as after a break, leaves what came before; one that is not written does not.
    pub async fn piece(&self, from: MemberId, body: Bytes) -> io::Result<Bytes> {
        // The worker has the slot: who called may be gone before the piece is written.
        let mut slot = self.slot(from).await;
        let write = async move {
            let (at, bytes) = messages::decode_piece(body).map_err(io::Error::other)?;
            let (_, receiving) = slot.as_mut().ok_or_else(nothing_begun)?;
            match receiving.put(at, &bytes) {
                Ok(Put::Done) => Ok(()),
                Ok(Put::OutOfTurn { due }) => Err(io::Error::other(format!(
                    "a piece for {at} came when {due} was due"
                ))),
                Err(failed) => {
                    *slot = None;
                    Err(failed)
                }
            }
        };
        blocking::run(&self.host, "snapshot", write).await??;
        Ok(Bytes::new())
    }

    /// All pieces came: the snapshot is checked, kept and installed. The answer is this member's vote.
    pub async fn end(&self, from: MemberId, raft: &Raft) -> io::Result<Bytes> {
        let (vote, receiving) = self.slot(from).await.take().ok_or_else(nothing_begun)?;
        let snapshots = self.snapshots.clone();
        let keep = async move {
            let unfinished = receiving.finish().await?;
            snapshots.adopt(&unfinished)
        };
        let file: SnapshotFile = blocking::run(&self.host, "snapshot", keep).await??;
        let me = self.gate.identity();
        // A survivor's snapshots from before it began anew are the first part of its history still.
        if file.head().cluster != me.cluster || file.head().incarnation > me.incarnation {
            return Err(io::Error::other(
                "the snapshot is of another cluster or a newer incarnation",
            ));
        }
        let snapshot = StateMachine::snapshot(file)?;
        let installed = raft.install_full_snapshot(vote, snapshot).await;
        let vote = installed.map_err(io::Error::other)?.vote;
        // What others began is not needed any more, and holds room.
        self.slots.lock().await.retain(|member, _| *member == from);
        Ok(messages::encode_vote(&vote))
    }
}
