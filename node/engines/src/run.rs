//! The work of one call of apply: entries of the log become one batch for the storage, and what memory takes over after it.

use std::borrow::Cow;
use std::collections::BTreeSet;

use bytes::Bytes;
use node_storage::{Batch, Digest, Storage};

use crate::auth::{Asker, Auth, Refusal, Right};
use crate::kv::rows::Rows;
use crate::requests::{self, Record, Requests};
use crate::state::{Digests, Head, Visible};
use crate::system::System;
use crate::tables::{DIGESTS, HEAD, SYSTEM};
use crate::{
    Applied, Change, Command, Entry, Fatal, LogId, LogIndex, LogNumber, Outcome, Position,
    Rejection, Reply, RequestId, auth, format, kv,
};

/// Entries on their way. It looks at memory and changes nothing but itself: dropping it leaves no trace.
pub(crate) struct Run<'a> {
    storage: &'a dyn Storage,
    keys: &'a kv::Keyspace,
    kv: kv::KeyspaceChanges,
    auth: Cow<'a, Auth>,
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
    auth: Option<Auth>,
    system: Option<System>,
    head: Head,
    digests: Vec<(u64, Digest)>,
    pub requests: requests::Changes,
}

impl Effects {
    /// Takes over everything that readers see. The requests are left to their owner.
    pub fn merge_into(self, visible: &mut Visible) -> requests::Changes {
        visible.keys.merge(self.kv, self.head.kv.compacted);
        if let Some(auth) = self.auth {
            visible.auth = auth;
        }
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
            auth: Cow::Borrowed(&visible.auth),
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
        let effects = Effects {
            kv: self.kv,
            auth: changed(self.auth),
            system: changed(self.system),
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
        let mut work = Work {
            kv: kv::Transaction::new(
                self.keys,
                &self.kv,
                self.storage,
                feature_level,
                id,
                self.head.kv,
            ),
            auth: Cow::Borrowed(self.auth.as_ref()),
            system: Cow::Borrowed(self.system.as_ref()),
            asker: None,
        };
        let mut replies = Vec::with_capacity(commands.len());
        for command in commands {
            match work.step(command, &mut own) {
                Ok(reply) => replies.extend(reply),
                Err(kv::Stop::Rejected(rejection)) => return Ok(Outcome::Rejected(rejection)),
                Err(kv::Stop::Read(source)) => {
                    let index = id.index;
                    return Err(Fatal::Read { index, source });
                }
            }
        }
        let (changes, progress) = work.kv.finish();
        let (auth, system) = (changed(work.auth), changed(work.system));
        self.sweep += changes.sweep;
        self.kv.absorb(changes);
        self.head.kv = progress;
        if let Some(auth) = auth {
            self.auth = Cow::Owned(auth);
        }
        if let Some(system) = system {
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

/// What an entry does as a whole, on its way.
struct Work<'a> {
    kv: kv::Transaction<'a>,
    auth: Cow<'a, Auth>,
    system: Cow<'a, System>,
    /// Who asks for the commands to come, where that was said.
    asker: Option<Asker>,
}

impl Work<'_> {
    /// Carries out one command of the entry, and gives the reply to one that has any.
    fn step(&mut self, command: Command, rows: &mut Rows) -> Result<Option<Reply>, kv::Stop> {
        let (needed, active) = (command.feature_level(), self.system.feature_level);
        if needed > active {
            return Err(Rejection::FeatureLevel { needed, active }.into());
        }
        match command {
            Command::As(asker) => {
                self.asker = Some(asker);
                Ok(None)
            }
            Command::Kv(_) | Command::Auth(_) if !self.system.open => {
                Err(Rejection::NotOpen.into())
            }
            Command::Kv(command) => {
                self.permit(&command).map_err(Rejection::Auth)?;
                let reply = self.kv.execute(command, rows)?;
                Ok(Some(Reply::Kv(reply)))
            }
            Command::Auth(command) => {
                let reply = self.administer(command, rows).map_err(Rejection::Auth)?;
                Ok(Some(Reply::Auth(reply)))
            }
            Command::System(command) => {
                let reply = self.system.to_mut().execute(command, rows)?;
                Ok(Some(Reply::System(reply)))
            }
        }
    }

    /// Whoever may not write all keys of a lease may neither end it nor attach another key to it. All else was looked at
    /// before the entry was proposed, and holds by the revision that it was looked at by.
    fn permit(&self, command: &kv::Command) -> Result<(), Refusal> {
        if command.is_the_clusters() {
            return Ok(());
        }
        let Some(user) = self.auth.admit(self.asker.as_ref())? else {
            return Ok(());
        };
        if user.is_root() {
            return Ok(());
        }
        for lease in command.leases() {
            for key in self.kv.attached(lease) {
                self.auth.check(user, Right::Write, &kv::Keys::one(key))?;
            }
        }
        Ok(())
    }

    fn administer(
        &mut self,
        command: auth::Command,
        rows: &mut Rows,
    ) -> Result<auth::Reply, Refusal> {
        match self.auth.admit(self.asker.as_ref())? {
            Some(user) if !user.is_root() => Err(Refusal::PermissionDenied),
            _ => self.auth.to_mut().execute(command, rows),
        }
    }
}

/// What was changed, if it was.
fn changed<T: Clone>(state: Cow<'_, T>) -> Option<T> {
    match state {
        Cow::Owned(changed) => Some(changed),
        Cow::Borrowed(_) => None,
    }
}

/// The outcome that a request had, for one that comes under the same id.
fn repeated(record: &Record, digest: [u8; 32]) -> Result<Outcome, crate::DecodeError> {
    match record.digest == digest {
        true => Outcome::decode(&record.outcome),
        false => Ok(Outcome::Rejected(Rejection::RequestIdReused)),
    }
}
