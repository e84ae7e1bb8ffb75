//! The work of one call of apply: entries of the log become one batch for the storage, and what memory takes over after it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use node_storage::{Batch, Digest, Storage};

use crate::kv::rows::Rows;
use crate::requests::{self, Record, Requests};
use crate::state::{Digests, Head, Visible};
use crate::system::System;
use crate::tables::{DIGESTS, HEAD, SYSTEM};
use crate::{
    Applied, Change, Command, Entry, Fatal, LogId, LogIndex, LogNumber, Outcome, Position,
    Rejection, Reply, RequestId, format, kv,
};

/// Entries on their way. It looks at memory and changes nothing but itself: dropping it leaves no trace.
pub(crate) struct Run<'a> {
    storage: &'a dyn Storage,
    keys: &'a kv::Keyspace,
    kv: kv::KeyspaceChanges,
    system: Cow<'a, System>,
    requests: requests::Overlay<'a>,
    head: Head,
    digests: Vec<(u64, Digest)>,
    batch: Batch,
    /// How many changes the entry that is being applied gives up.
    sweep: usize,
}

/// What memory takes over once the batch is stored.
pub(crate) struct Effects {
    kv: kv::KeyspaceChanges,
    system: Option<System>,
    head: Head,
    digests: Vec<(u64, Digest)>,
    pub requests: requests::Changes,
}

impl Effects {
    /// Takes over everything that readers see. The requests are left to their owner.
    pub fn merge_into(self, visible: &mut Visible) -> requests::Changes {
        visible.keys.merge(self.kv);
        if let Some(system) = self.system {
            visible.system = system;
        }
        for (index, digest) in self.digests {
            visible.digests.insert(index, digest);
        }
        visible.head = self.head;
        self.requests
    }
}

impl<'a> Run<'a> {
    pub fn new(storage: &'a dyn Storage, visible: &'a Visible, requests: &'a Requests) -> Run<'a> {
        Run {
            storage,
            keys: &visible.keys,
            kv: kv::KeyspaceChanges::default(),
            system: Cow::Borrowed(&visible.system),
            requests: requests::Overlay::new(requests),
            head: visible.head.clone(),
            digests: Vec::new(),
            batch: Batch::new(),
            sweep: 0,
        }
    }

    /// Applies the next entry.
    pub fn apply(&mut self, id: LogId, change: Change) -> Result<Outcome, Fatal> {
        let mut applied = self.follow(id)?;
        let mut rows = Rows::new(self.system.feature_level);
        let outcome = match change {
            Change::Command(bytes) => self.command(id, &bytes, &mut rows)?,
            Change::Members { now, voters, blob } => {
                applied.membership = Bytes::copy_from_slice(&blob);
                applied.membership_at = Some(id);
                self.members(now, voters, &mut rows);
                self.accepted(id, Vec::new())
            }
            Change::Blank => self.accepted(id, Vec::new()),
        };
        self.head.applied = Some(applied);
        self.head.digest = self.head.digest.chain(rows.digested());
        self.batch.append(rows.into_stored());
        self.sweep();
        self.keep_digest(id.index);
        Ok(outcome)
    }

    /// The one batch of the run, and what memory takes over after it.
    pub fn finish(mut self) -> (Batch, Effects) {
        if let Some(applied) = &self.head.applied {
            self.batch.put(
                SYSTEM,
                HEAD,
                format::state::encode_head(&self.head, applied),
            );
        }
        let system = match self.system {
            Cow::Borrowed(_) => None,
            Cow::Owned(system) => Some(system),
        };
        let effects = Effects {
            kv: self.kv,
            system,
            head: self.head,
            digests: self.digests,
            requests: self.requests.finish(),
        };
        (self.batch, effects)
    }

    /// Checks that the log left nothing out and repeats nothing.
    fn follow(&self, id: LogId) -> Result<Applied, Fatal> {
        match &self.head.applied {
            None => Ok(Applied {
                last: id,
                ..Applied::default()
            }),
            Some(applied) if applied.last.index.checked_add(1) == Some(id.index) => Ok(Applied {
                last: id,
                ..applied.clone()
            }),
            Some(applied) => Err(Fatal::OutOfOrder {
                index: id.index,
                applied: applied.last.index,
            }),
        }
    }

    fn members(&mut self, now: BTreeSet<u64>, voters: BTreeSet<u64>, rows: &mut Rows) {
        self.system.to_mut().change_members(now, voters, rows);
    }

    fn command(&mut self, id: LogId, bytes: &Bytes, rows: &mut Rows) -> Result<Outcome, Fatal> {
        let entry = Entry::decode(bytes).map_err(|source| Fatal::Entry {
            index: id.index,
            source,
        })?;
        self.head.stamp = entry.stamp.no_earlier_than(self.head.stamp);
        let now = self.head.stamp.millis;
        self.requests.evict(now, rows);
        let Some((request, digest)) = entry.request else {
            return self.execute(id, entry.commands, rows);
        };
        if let Some(record) = self.requests.get(&request, now) {
            return repeated(record, digest).map_err(|source| Fatal::Entry {
                index: id.index,
                source,
            });
        }
        if self.requests.is_full() {
            return Ok(Outcome::Rejected(Rejection::Busy));
        }
        let outcome = self.execute(id, entry.commands, rows)?;
        self.remember(&request, digest, &outcome, rows);
        Ok(outcome)
    }

    /// Carries out all commands, or none.
    fn execute(
        &mut self,
        id: LogId,
        commands: Vec<Command>,
        rows: &mut Rows,
    ) -> Result<Outcome, Fatal> {
        let feature_level = self.system.feature_level;
        let mut own = Rows::new(feature_level);
        let mut kv = kv::Transaction::new(
            self.keys,
            &self.kv,
            self.storage,
            feature_level,
            id,
            self.head.kv,
        );
        let mut system = Cow::Borrowed(self.system.as_ref());
        let mut replies = Vec::with_capacity(commands.len());
        for command in commands {
            match step(&mut kv, &mut system, command, &mut own) {
                Ok(reply) => replies.push(reply),
                Err(kv::Stop::Rejected(rejection)) => return Ok(Outcome::Rejected(rejection)),
                Err(kv::Stop::Read(source)) => {
                    let index = id.index;
                    return Err(Fatal::Read { index, source });
                }
            }
        }
        let changed = match system {
            Cow::Owned(system) => Some(system),
            Cow::Borrowed(_) => None,
        };
        let (changes, progress) = kv.finish();
        self.sweep += changes.sweep;
        self.kv.absorb(changes);
        self.head.kv = progress;
        if let Some(system) = changed {
            self.head.kv.raise(feature_level, system.feature_level);
            self.system = Cow::Owned(system);
        }
        rows.append(own);
        Ok(self.accepted(id, replies))
    }

    /// Gives up some of what nothing can read any more. How much is a function of the entry, and part of no digest.
    fn sweep(&mut self) {
        kv::sweep(
            self.keys,
            &mut self.kv,
            &mut self.head.kv,
            self.system.feature_level,
            std::mem::take(&mut self.sweep),
            &mut self.batch,
        );
    }

    fn remember(
        &mut self,
        request: &RequestId,
        digest: [u8; 32],
        outcome: &Outcome,
        rows: &mut Rows,
    ) {
        let passing = matches!(outcome, Outcome::Rejected(rejection) if rejection.is_passing());
        if !passing {
            let millis = self.head.stamp.millis;
            let record = Record {
                digest,
                millis,
                outcome: outcome.encode(),
            };
            self.requests.insert(request, record, rows);
        }
    }

    /// Keeps the digest of every 64th entry. It is written beside the entry's rows, as a digest can not cover itself.
    fn keep_digest(&mut self, index: u64) {
        if !Digests::keeps(index) {
            return;
        }
        let digest = self.head.digest;
        let key = |index: u64| Bytes::copy_from_slice(&index.to_be_bytes());
        self.batch
            .put(DIGESTS, key(index), Bytes::copy_from_slice(&digest.0));
        if let Some(old) = Digests::superseded_by(index) {
            self.batch.delete(DIGESTS, key(old));
        }
        self.digests.push((index, digest));
    }

    fn accepted(&self, id: LogId, replies: Vec<Reply>) -> Outcome {
        let incarnation = self.system.incarnation;
        let position = Position {
            log: LogNumber(0),
            incarnation,
            index: LogIndex(id.index),
        };
        Outcome::Accepted { position, replies }
    }
}

/// Carries out one command of an entry.
fn step(
    kv: &mut kv::Transaction<'_>,
    system: &mut Cow<'_, System>,
    command: Command,
    rows: &mut Rows,
) -> Result<Reply, kv::Stop> {
    let (needed, active) = (command.feature_level(), system.feature_level);
    if needed > active {
        return Err(Rejection::FeatureLevel { needed, active }.into());
    }
    match command {
        Command::Kv(_) if !system.open => Err(Rejection::NotOpen.into()),
        Command::Kv(command) => kv.execute(command, rows).map(Reply::Kv),
        Command::System(command) => {
            let reply = system.to_mut().execute(command, rows)?;
            Ok(Reply::System(reply))
        }
    }
}

/// The outcome that a request had, for one that comes under the same id.
fn repeated(record: &Record, digest: [u8; 32]) -> Result<Outcome, crate::DecodeError> {
    match record.digest == digest {
        true => Outcome::decode(&record.outcome),
        false => Ok(Outcome::Rejected(Rejection::RequestIdReused)),
    }
}
