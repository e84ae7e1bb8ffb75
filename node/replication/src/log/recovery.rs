//! Opening a log: reading what is there, telling a crash from damage, and making the end whole again.

use std::collections::{BTreeMap, VecDeque};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_host::{Files, Flaw, Host};

use super::errors::OpenError;
use super::limits::Limits;
use super::queue::{Readable, Shared};
use super::record::Recovered;
use super::replay::{Replay, Torn};
use super::segment::{self, SPARE, Segment};
use super::stopped::{self, End};
use super::writer::{Tail, Writer};

/// Reads the log in `dir` and makes it ready for more. Everything is checked before anything is changed.
pub(super) async fn recover(
    host: Host,
    dir: PathBuf,
    limits: Limits,
) -> Result<(Writer, Recovered), OpenError> {
    let files = &*host.files;
    let sequences = prepare(files, &dir)?;
    let stopped = End::read(files, &dir)?;
    let lenient = host.has(Flaw::DamageIsTheEnd);
    let mut replay = Replay::new(limits.cache_bytes, lenient);
    let mut segments = Vec::new();
    let mut torn = None;
    for (at, sequence) in sequences.iter().enumerate() {
        let path = dir.join(segment::name(*sequence));
        let newest = at + 1 == sequences.len();
        let (segment, tail) = replay.segment(files, *sequence, path, newest)?;
        segments.push(segment);
        torn = tail;
    }
    check(&dir, &replay, &segments, stopped, torn.as_ref())?;

    if let Some(newest) = segments.last() {
        settle(&host, newest, &replay, torn.as_ref()).await?;
    }
    if stopped.is_some() {
        End::remove(files, &dir)?;
    }
    files
        .sync_dir(&dir)
        .map_err(OpenError::files("sync", &dir))?;
    Ok(assemble(
        host.clone(),
        dir,
        limits,
        replay,
        segments,
        torn.is_some(),
    ))
}

/// Makes the folder, clears away what an interrupted start or write left, and lists the segments.
fn prepare(files: &dyn Files, dir: &Path) -> Result<Vec<u64>, OpenError> {
    files
        .create_dir_all(dir)
        .map_err(OpenError::files("create", dir))?;
    if let Some(above) = dir.parent().filter(|above| !above.as_os_str().is_empty()) {
        files
            .sync_dir(above)
            .map_err(OpenError::files("sync", above))?;
    }
    let names = files.list(dir).map_err(OpenError::files("list", dir))?;
    for left_over in [SPARE, stopped::TEMPORARY] {
        if names.iter().any(|name| name == left_over) {
            let path = dir.join(left_over);
            files
                .remove(&path)
                .map_err(OpenError::files("remove", &path))?;
        }
    }
    let sequences: Vec<u64> = names
        .iter()
        .filter_map(|name| segment::parse(name))
        .collect();
    for (before, after) in sequences.iter().zip(sequences.iter().skip(1)) {
        if before + 1 != *after {
            let path = dir.join(segment::name(before + 1));
            return Err(OpenError::damaged(
                &path,
                0,
                "a segment is missing: this file is not there,",
            ));
        }
    }
    Ok(sequences)
}

/// Is this all of the log?
fn check(
    dir: &Path,
    replay: &Replay,
    segments: &[Segment],
    stopped: Option<End>,
    torn: Option<&Torn>,
) -> Result<(), OpenError> {
    let end = replay.end(segments.last());
    let path = segments
        .last()
        .map_or(dir, |segment| segment.path.as_path());
    if let Some(expected) = stopped {
        if torn.is_some() {
            return Err(OpenError::damaged(
                path,
                end.offset,
                "the log was stopped cleanly, but a damaged batch stands",
            ));
        }
        if end != expected {
            let what = format!(
                "the log was stopped cleanly at offset {} of segment {}, but ends",
                expected.offset, expected.segment
            );
            return Err(OpenError::damaged(path, end.offset, what));
        }
    }
    if let Some(missing) = replay.index.missing() {
        let first = segments
            .first()
            .map_or(dir, |segment| segment.path.as_path());
        let what =
            format!("entry {missing} is in no segment: one that held it was before the first,");
        return Err(OpenError::damaged(first, 0, what));
    }
    Ok(())
}

/// Cuts off a torn batch, and writes the last whole one again: it may have been read from memory that a failed sync
/// left behind, and must not count as durable on that evidence.
async fn settle(
    host: &Host,
    newest: &Segment,
    replay: &Replay,
    torn: Option<&Torn>,
) -> Result<(), OpenError> {
    let error = |action| OpenError::files(action, &newest.path);
    let (offset, bytes) = &replay.last_batch;
    if !host.has(Flaw::TrustUnsynced) {
        let written = newest.file.write_all_at(bytes, *offset);
        written.map_err(error("write"))?;
    }
    if let Some(torn) = torn {
        let zeros = vec![0; torn.bytes];
        newest
            .file
            .write_all_at(&zeros, newest.end)
            .map_err(error("cut a torn batch off"))?;
        tracing::warn!(
            file = %newest.path.display(), offset = newest.end, bytes = torn.bytes,
            "cut off a batch that a crash had torn"
        );
    }
    newest.file.sync_data().await.map_err(error("sync"))
}

fn assemble(
    host: Host,
    dir: PathBuf,
    limits: Limits,
    replay: Replay,
    segments: Vec<Segment>,
    torn_tail_cut: bool,
) -> (Writer, Recovered) {
    let facts = replay.facts();
    let readable = |segment: &Segment| {
        let file = Arc::clone(&segment.file);
        (
            segment.sequence,
            Readable {
                file,
                path: segment.path.clone(),
            },
        )
    };
    let readable: BTreeMap<u64, Readable> = segments.iter().map(readable).collect();
    let mut older = VecDeque::from(segments);
    let current = older.pop_back();
    let (batch, previous) = (replay.batch, replay.previous);
    let shared = Arc::new(Shared::new(limits, replay.index, readable));
    shared.state().figures.torn_tail_cut = torn_tail_cut;
    let tail = Tail {
        older,
        current,
        batch,
        previous,
        facts,
    };
    let recovered = Recovered {
        vote: facts.vote,
        committed: facts.committed,
        purged: facts.purged,
        last: facts.last,
        torn_tail_cut,
    };
    (Writer::new(host, dir, shared, tail), recovered)
}
