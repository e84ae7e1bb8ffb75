//! Who may speak with this member: the rules of the hello, and what was counted at it.

use std::cmp;
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use node_host::Host;

use crate::config::ClusterKey;
use crate::identity::{Identity, IdentityError};
use crate::ids::{LogId, MemberId};
use crate::membership::Member;
use crate::peers::denial::Denial;
use crate::peers::hello::{Claim, HelloError, Party};

/// How many reasons are remembered, for the log and for the status.
const REMEMBERED_MAX: usize = 64;

/// What this member knows of the others.
#[derive(Clone, Debug, Default)]
pub struct Directory {
    /// The members of the newest membership in the local log.
    pub members: BTreeMap<u64, Member>,
    /// Ids that never return.
    pub removed: BTreeSet<u64>,
    /// This member leads: its membership is the newest there is.
    pub leading: bool,
    /// What members had on disk of what is committed, as they acknowledged it.
    pub acknowledged: BTreeMap<u64, LogId>,
}

#[derive(Default)]
struct Book {
    directory: Directory,
    refused: u64,
    denied: u64,
    logged: BTreeSet<(Option<MemberId>, Denial)>,
    denied_by: BTreeMap<MemberId, Denial>,
}

/// Who may speak with this member.
pub struct Gate {
    host: Host,
    data_dir: PathBuf,
    key: ClusterKey,
    identity: Mutex<Identity>,
    /// The last entry this member has on disk, in its log or in a snapshot file.
    last_log: Box<dyn Fn() -> Option<LogId> + Send + Sync>,
    /// Held over a change of the identity on disk.
    changing: tokio::sync::Mutex<()>,
    book: Mutex<Book>,
    removals: AtomicU64,
    left_behind: AtomicBool,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // Nothing under these locks leaves a value half changed.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Gate {
    pub fn new(
        host: Host,
        data_dir: PathBuf,
        key: ClusterKey,
        identity: Identity,
        last_log: impl Fn() -> Option<LogId> + Send + Sync + 'static,
    ) -> Gate {
        Gate {
            host,
            data_dir,
            key,
            identity: Mutex::new(identity),
            last_log: Box::new(last_log),
            changing: tokio::sync::Mutex::new(()),
            book: Mutex::default(),
            removals: AtomicU64::new(0),
            left_behind: AtomicBool::new(false),
        }
    }

    pub fn identity(&self) -> Identity {
        lock(&self.identity).clone()
    }

    /// Runs `change` on the identity and writes it; memory changes only after the disk has it.
    pub async fn change_identity<E>(
        &self,
        change: impl FnOnce(&mut Identity) -> Result<(), E>,
    ) -> Result<(), E>
    where
        E: From<IdentityError>,
    {
        let _alone = self.changing.lock().await;
        let mut identity = self.identity();
        change(&mut identity)?;
        identity.store(&self.host, &self.data_dir).await?;
        *lock(&self.identity) = identity;
        Ok(())
    }

    pub fn update(&self, change: impl FnOnce(&mut Directory)) {
        let mut book = lock(&self.book);
        let before = book.directory.removed.len();
        change(&mut book.directory);
        if book.directory.removed.len() != before {
            self.removals.fetch_add(1, Ordering::Relaxed);
        }
    }

    pub fn directory<T>(&self, read: impl FnOnce(&Directory) -> T) -> T {
        read(&lock(&self.book).directory)
    }

    /// Whether a member was removed: then its open streams end too.
    pub fn is_removed(&self, member: MemberId) -> bool {
        self.directory(|directory| directory.removed.contains(&member.0))
    }

    /// Changes whenever another member was removed.
    pub fn removals(&self) -> u64 {
        self.removals.load(Ordering::Relaxed)
    }

    /// Whether a member of a newer incarnation was met: then this disk's history is no more.
    pub fn is_left_behind(&self) -> bool {
        self.left_behind.load(Ordering::Relaxed)
    }

    /// What this member brings to a hello.
    pub fn party<'a>(&'a self, identity: &'a Identity) -> Party<'a> {
        let mut nonce = [0; 32];
        self.host.random.fill(&mut nonce);
        Party {
            identity,
            last_log: (self.last_log)(),
            key: &self.key,
            nonce,
        }
    }

    /// Judges a member that this one called.
    pub fn judge_answerer(&self, claim: &Claim, expected: MemberId) -> Result<(), Denial> {
        if claim.member != expected {
            return Err(Denial::NotTheExpectedMember);
        }
        let me = self.identity();
        // An empty disk answers without a cluster; it takes ours with the verdict.
        if claim.cluster.is_some() && claim.cluster != me.cluster {
            return Err(Denial::OtherCluster);
        }
        // One of a newer incarnation says itself that this member is behind.
        if claim.cluster.is_some() && claim.incarnation < me.incarnation {
            return Err(Denial::OlderIncarnation);
        }
        self.judge_member(claim, false)
    }

    /// Judges a member that called this one. On an empty disk a proven call to exactly this member
    /// makes it part of the caller's cluster; that is durable on return.
    pub async fn judge_caller(&self, claim: &Claim, expected: MemberId) -> Result<(), Denial> {
        let me = self.identity();
        if expected != me.member {
            return Err(Denial::NotTheExpectedMember);
        }
        let Some(cluster) = claim.cluster else {
            return Err(Denial::NoCluster);
        };
        // Members of another history are told so, whatever they are in this one.
        if me.cluster == Some(cluster) {
            judge_incarnation(&me, claim)?;
        }
        self.judge_member(claim, true)?;
        match me.cluster {
            Some(mine) if mine != cluster => Err(Denial::OtherCluster),
            Some(_) => Ok(()),
            None => self.join(claim).await,
        }
    }

    async fn join(&self, claim: &Claim) -> Result<(), Denial> {
        let adopted = self
            .change_identity::<JoinError>(|identity| match identity.cluster {
                Some(mine) if Some(mine) != claim.cluster => Err(JoinError::Elsewhere),
                _ => {
                    identity.cluster = claim.cluster;
                    identity.incarnation = claim.incarnation;
                    Ok(())
                }
            })
            .await;
        match adopted {
            Ok(()) => Ok(()),
            Err(JoinError::Elsewhere) => Err(Denial::OtherCluster),
            Err(JoinError::Disk(error)) => {
                tracing::error!(%error, "failed to keep the cluster id this member was called into");
                Err(Denial::Other)
            }
        }
    }

    /// Whom this member calls, it calls because the log says so; a caller must be registered.
    fn judge_member(&self, claim: &Claim, calls: bool) -> Result<(), Denial> {
        self.directory(|directory| {
            if directory.removed.contains(&claim.member.0) {
                return Err(Denial::Removed);
            }
            match directory.members.get(&claim.member.0) {
                Some(member) if member.key != claim.key => return Err(Denial::WrongCredential),
                Some(_) => {}
                // Who does not lead may not have heard of a new member yet.
                None if calls && directory.leading => return Err(Denial::Unregistered),
                None => {}
            }
            let acknowledged = directory.acknowledged.get(&claim.member.0).copied();
            if claim.last_log < acknowledged {
                return Err(Denial::LogBehindAcknowledged);
            }
            Ok(())
        })
    }

    /// Notes that this member turned another down. Logged once per member and reason.
    pub fn note_refused(&self, member: Option<MemberId>, denial: Denial, from: &str) {
        if denial == Denial::NewerIncarnation {
            self.left_behind.store(true, Ordering::Relaxed);
        }
        let mut book = lock(&self.book);
        book.refused += 1;
        if book.logged.len() < REMEMBERED_MAX && book.logged.insert((member, denial)) {
            let member = member.map_or("unproven".to_owned(), |id| id.to_string());
            tracing::warn!(%member, from, "refused a peer: {denial}");
        }
    }

    /// What a failed hello says of this member, which claimed that its log ends at `claimed`. One that has written since,
    /// and acknowledged it on another stream, was rightly found behind its own claim, and has lost nothing.
    pub fn weigh(&self, error: HelloError, claimed: Option<LogId>) -> HelloError {
        match error {
            HelloError::Denied(Denial::LogBehindAcknowledged, _) if (self.last_log)() > claimed => {
                HelloError::Stream(io::Error::other("the log went on during the hello"))
            }
            error => error,
        }
    }

    /// Notes that another turned this member down.
    pub fn note_denied(&self, by: MemberId, denial: Denial) {
        if denial == Denial::OlderIncarnation {
            self.left_behind.store(true, Ordering::Relaxed);
        }
        let mut book = lock(&self.book);
        book.denied += 1;
        if book.denied_by.insert(by, denial) != Some(denial) {
            tracing::warn!(%by, "refused by a peer: {denial}");
        }
        while book.denied_by.len() > REMEMBERED_MAX {
            book.denied_by.pop_first();
        }
    }

    /// Notes that another accepted this member.
    pub fn note_accepted(&self, by: MemberId) {
        lock(&self.book).denied_by.remove(&by);
    }

    /// Hellos refused, hellos denied, and by whom this member is refused now.
    pub fn counts(&self) -> (u64, u64, BTreeMap<MemberId, Denial>) {
        let book = lock(&self.book);
        (book.refused, book.denied, book.denied_by.clone())
    }
}

enum JoinError {
    Elsewhere,
    Disk(IdentityError),
}

impl From<IdentityError> for JoinError {
    fn from(error: IdentityError) -> JoinError {
        JoinError::Disk(error)
    }
}

fn judge_incarnation(me: &Identity, claim: &Claim) -> Result<(), Denial> {
    match claim.incarnation.cmp(&me.incarnation) {
        cmp::Ordering::Less => Err(Denial::OlderIncarnation),
        cmp::Ordering::Greater => Err(Denial::NewerIncarnation),
        cmp::Ordering::Equal => Ok(()),
    }
}
