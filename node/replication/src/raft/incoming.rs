//! Snapshots on their way in: at most one from each member, written on a worker piece by piece.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use bytes::Bytes;
use node_host::Host;
use openraft::alias::VoteOf;
use tokio::sync::{Mutex, OwnedMutexGuard};

use crate::blocking;
use crate::ids::MemberId;
use crate::peers::Gate;
use crate::raft::config::{C, Raft};
use crate::raft::messages::{self, SnapshotBegin};
use crate::raft::snapshots::{Receiving, SnapshotFile, Snapshots};
use crate::raft::state_machine::StateMachine;

/// Members that may send a snapshot at a time: leaders of different terms, at worst.
const SENDERS_MAX: usize = 8;

type Slot = Arc<Mutex<Option<(VoteOf<C>, Receiving)>>>;

/// Snapshots on their way in.
pub struct Incoming {
    host: Host,
    gate: Arc<Gate>,
    snapshots: Arc<Snapshots>,
    slots: Mutex<BTreeMap<MemberId, Slot>>,
}

fn nothing_begun() -> io::Error {
    io::Error::other("no snapshot was begun")
}

impl Incoming {
    pub fn new(host: Host, gate: Arc<Gate>, snapshots: Arc<Snapshots>) -> Incoming {
        Incoming {
            host,
            gate,
            snapshots,
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

    /// A snapshot begins; one that the same member began before is dropped.
    pub async fn begin(&self, from: MemberId, begin: SnapshotBegin) -> io::Result<Bytes> {
        let mut slot = self.slot(from).await;
        *slot = None;
        let (snapshots, nonce) = (self.snapshots.clone(), self.host.random.u64());
        let open = async move { snapshots.receive(begin.bytes, begin.digest, nonce) };
        let receiving = blocking::run(&self.host, "snapshot", open).await??;
        *slot = Some((begin.vote, receiving));
        Ok(Bytes::new())
    }

    /// The next piece.
    pub async fn piece(&self, from: MemberId, body: Bytes) -> io::Result<Bytes> {
        let mut slot = self.slot(from).await;
        let (vote, mut receiving) = slot.take().ok_or_else(nothing_begun)?;
        let write = async move {
            let (at, bytes) = messages::decode_piece(body).map_err(io::Error::other)?;
            receiving.put(at, &bytes)?;
            Ok::<Receiving, io::Error>(receiving)
        };
        *slot = Some((vote, blocking::run(&self.host, "snapshot", write).await??));
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
        Ok(messages::encode_vote(
            &installed.map_err(io::Error::other)?.vote,
        ))
    }
}
