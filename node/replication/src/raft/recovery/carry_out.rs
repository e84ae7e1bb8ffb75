//! What follows from the note of a recovery, before the core runs.

use std::path::Path;

use node_host::Host;
use tokio::sync::oneshot;

use crate::contract::Fatal;
use crate::errors::StartError;
use crate::identity::Identity;
use crate::ids::LogId;
use crate::log::{LogFailed, Record, RecordKind, Vote};
use crate::raft::disk::Disk;
use crate::raft::recovery::note::Note;

/// Carries out what was decided on this disk, if anything was; gives the identity as it is then. Everything is durable on
/// return. Done again after a crash at any moment it comes to the same end.
pub async fn carry_out(
    host: &Host,
    dir: &Path,
    mut identity: Identity,
    disk: &mut Disk,
) -> Result<Identity, StartError> {
    let Some(note) = Note::find(host, dir).await? else {
        return Ok(identity);
    };
    if note.member != identity.member {
        return Err(StartError::Recovery("it was decided for another member"));
    }
    // The identity comes after the log: where it is raised, the log is done.
    if identity.incarnation < note.incarnation {
        append(disk, &note).await?;
        identity.incarnation = note.incarnation;
        let stored = identity.store(host, dir).await;
        stored.map_err(|error| Fatal::because("failed to raise the incarnation", error))?;
    }
    Note::forget(host, dir).await?;
    tracing::warn!(
        incarnation = note.incarnation,
        after = %note.after,
        "began anew from this disk alone; the former members are removed"
    );
    Ok(identity)
}

/// Appends, as one batch, what the note says, unless it is there.
async fn append(disk: &mut Disk, note: &Note) -> Result<(), StartError> {
    let last = disk.wal.last();
    let behind = |by: u64| note.after.index + by;
    if last != Some(note.after) {
        let is_done = last.is_some_and(|last| {
            (last.index, last.leader) == (behind(2), note.member.0) && last.term > note.after.term
        });
        return match is_done {
            true => Ok(()),
            false => Err(StartError::Recovery(
                "the log does not end where it ended then",
            )),
        };
    }
    let voted = disk.recovered.vote.map_or(0, |vote| vote.term);
    // Nobody else voted or wrote in this term: this member is its leader by being the only voter.
    let vote = Vote {
        term: voted.max(note.after.term) + 1,
        node: note.member.0,
        committed: true,
    };
    let record = |by, kind, payload: &bytes::Bytes| Record {
        id: LogId {
            term: vote.term,
            leader: vote.node,
            index: behind(by),
        },
        kind,
        payload: payload.clone(),
    };
    let records = vec![
        record(1, RecordKind::Command, &note.command),
        record(2, RecordKind::Membership, &note.membership),
    ];
    let log_failed = |error| Fatal::because("failed to append a recovery to the log", error);
    disk.wal.save_vote(vote).await.map_err(log_failed)?;
    let (tell, told) = oneshot::channel();
    // If nobody waits any more, nobody wants to know.
    let done = move |outcome| drop(tell.send(outcome));
    disk.wal.append(records, Box::new(done));
    let appended = told.await.unwrap_or(Err(LogFailed::WorkerGone));
    appended.map_err(log_failed)?;
    disk.recovered.vote = Some(vote);
    disk.recovered.last = disk.wal.last();
    Ok(())
}
