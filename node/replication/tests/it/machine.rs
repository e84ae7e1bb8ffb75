//! A machine that keeps every command in order, and a disk for it that outlives the node.

use std::collections::BTreeSet;
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use bytes::{BufMut, Bytes, BytesMut};
use node_replication::{Applied, Committed, Export, Fatal, Machine, Payload, Rejected, Stamper};

/// All there is.
#[derive(Clone, Default)]
pub struct State {
    pub applied: Option<Applied>,
    pub commands: Vec<Bytes>,
    members: BTreeSet<u64>,
}

#[derive(Default)]
struct Disk {
    now: State,
    durable: State,
    fails: bool,
}

/// What outlives the node. A clone is the same disk.
#[derive(Clone, Default)]
pub struct Storage(Arc<Mutex<Disk>>);

impl Storage {
    fn disk(&self) -> MutexGuard<'_, Disk> {
        self.0.lock().unwrap()
    }

    pub fn state(&self) -> State {
        self.disk().now.clone()
    }

    /// Loses what was not persisted.
    pub fn lose_power(&self) {
        let mut disk = self.disk();
        disk.now = disk.durable.clone();
    }

    /// Loses everything.
    pub fn wipe(&self) {
        *self.disk() = Disk::default();
    }

    /// From now on every apply fails.
    pub fn fail(&self) {
        self.disk().fails = true;
    }
}

/// The machine over it. The reply to a command is the number of commands before it, and the command.
pub struct Ledger(pub Storage);

pub fn reply(number: usize, command: &[u8]) -> Bytes {
    let mut reply = BytesMut::new();
    reply.put_u64(number as u64);
    reply.put_slice(command);
    reply.freeze()
}

impl Machine for Ledger {
    fn applied(&self) -> Result<Option<Applied>, Fatal> {
        Ok(self.0.disk().now.applied.clone())
    }

    fn apply(&mut self, run: Vec<Committed>) -> Result<Vec<Bytes>, Fatal> {
        let mut disk = self.0.disk();
        if disk.fails {
            return Err(Fatal::new("failed to apply: the test wants it so"));
        }
        let state = &mut disk.now;
        let mut applied = state.applied.clone().unwrap_or_default();
        let mut replies = Vec::new();
        for Committed { id, payload } in run {
            let due = state
                .applied
                .as_ref()
                .map_or(0, |applied| applied.last.index + 1);
            assert_eq!(id.index, due, "entries are applied once each, in order");
            applied.last = id;
            replies.push(match payload {
                Payload::Blank => Bytes::new(),
                Payload::Command(command) => {
                    state.commands.push(command.clone());
                    reply(state.commands.len() - 1, &command)
                }
                Payload::Membership { bytes, members, .. } => {
                    applied.removed.extend(state.members.difference(&members));
                    applied.membership = bytes;
                    applied.membership_at = Some(id);
                    state.members = members;
                    Bytes::new()
                }
            });
            state.applied = Some(applied.clone());
        }
        Ok(replies)
    }

    fn persist(&self) -> Result<(), Fatal> {
        let mut disk = self.0.disk();
        disk.durable = disk.now.clone();
        Ok(())
    }

    fn export(&self) -> Result<Box<dyn Export>, Fatal> {
        let state = self.0.state();
        let applied = state
            .applied
            .clone()
            .ok_or_else(|| Fatal::new("failed to export nothing"))?;
        let chunks = chunks(&state, &applied).into_iter();
        Ok(Box::new(Exported { applied, chunks }))
    }

    fn import(&mut self, chunks: &mut dyn Iterator<Item = io::Result<Bytes>>) -> Result<(), Fatal> {
        let state = read(chunks).map_err(|error| Fatal::because("failed to import", error))?;
        let mut disk = self.0.disk();
        disk.durable = state.clone();
        disk.now = state;
        Ok(())
    }
}

struct Exported {
    applied: Applied,
    chunks: std::vec::IntoIter<Bytes>,
}

impl Export for Exported {
    fn applied(&self) -> Applied {
        self.applied.clone()
    }

    fn next(&mut self) -> Result<Option<Bytes>, Fatal> {
        Ok(self.chunks.next())
    }
}

/// The place in the log, the membership with its place, the ids, then a chunk for each command.
fn chunks(state: &State, applied: &Applied) -> Vec<Bytes> {
    let ids = |ids: &BTreeSet<u64>| {
        Bytes::from(ids.iter().map(u64::to_string).collect::<Vec<_>>().join(",") + ";")
    };
    let at = applied
        .membership_at
        .expect("a log begins with a membership");
    let mut chunks = vec![
        Bytes::from(applied.last.to_string()),
        Bytes::from(at.to_string()),
        applied.membership.clone(),
        ids(&state.members),
        ids(&applied.removed),
    ];
    chunks.extend(state.commands.iter().cloned());
    chunks
}

fn read(chunks: &mut dyn Iterator<Item = io::Result<Bytes>>) -> io::Result<State> {
    let mut next = || {
        chunks
            .next()
            .unwrap_or(Err(io::ErrorKind::UnexpectedEof.into()))
    };
    let text = |chunk: Bytes| String::from_utf8(chunk.to_vec()).unwrap();
    let ids = |chunk: Bytes| -> BTreeSet<u64> {
        let text = text(chunk);
        let ids = text.trim_end_matches(';').split(',');
        ids.filter(|id| !id.is_empty())
            .map(|id| id.parse().unwrap())
            .collect()
    };
    let mut applied = Applied {
        last: text(next()?).parse().unwrap(),
        ..Applied::default()
    };
    applied.membership_at = Some(text(next()?).parse().unwrap());
    applied.membership = next()?;
    let members = ids(next()?);
    applied.removed = ids(next()?);
    let commands = chunks.collect::<io::Result<Vec<Bytes>>>()?;
    Ok(State {
        applied: Some(applied),
        commands,
        members,
    })
}

/// Passes proposals on as they are, but for one that it turns down. It has room as long as it is told so.
pub struct Plain {
    pub room: Arc<AtomicBool>,
}

pub const TURNED_DOWN: &[u8] = b"turn this down";

impl Stamper for Plain {
    fn stamp(&self, proposal: &[u8]) -> Result<Bytes, Rejected> {
        match proposal {
            TURNED_DOWN => Err(Rejected(Bytes::from_static(b"no"))),
            _ => Ok(Bytes::copy_from_slice(proposal)),
        }
    }

    fn has_room(&self, _bytes: u64) -> bool {
        self.room.load(Ordering::Relaxed)
    }
}
