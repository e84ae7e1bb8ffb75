//! The worker: the only one who writes.

use std::collections::VecDeque;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use node_host::{File, Flaw, Host};
use tokio::sync::oneshot;
use tokio::sync::oneshot::error::RecvError;

use super::errors::LogFailed;
use super::format::{
    BATCH_HEADER_BYTES, SEGMENT_HEADER_BYTES, SegmentHeader, open_batch, seal_batch,
};
use super::index::Place;
use super::item::{HEAD_RECORD_BYTES, Item};
use super::queue::{Op, Readable, Shared, Work};
use super::record::Facts;
use super::segment::{self, Segment};
use super::stopped::End;
use crate::ids::LogId;

/// Room before the records of a batch: for its header, and for the head of a new segment if one must begin with it.
const FRONT_BYTES: usize = SEGMENT_HEADER_BYTES + BATCH_HEADER_BYTES + HEAD_RECORD_BYTES;
/// Where the batch begins in the buffer when it goes into the current segment.
const PLAIN_START: usize = FRONT_BYTES - BATCH_HEADER_BYTES;

/// Where the log ends on disk.
pub(super) struct Tail {
    /// Segments before the current one, oldest first.
    pub(super) older: VecDeque<Segment>,
    /// `None` in a log that was never written.
    pub(super) current: Option<Segment>,
    /// The sequence of the next batch.
    pub(super) batch: u64,
    /// The checksum of the last batch.
    pub(super) previous: u32,
    /// What all batches so far said.
    pub(super) facts: Facts,
}

pub(super) struct Writer {
    host: Host,
    dir: PathBuf,
    shared: Arc<Shared>,
    tail: Tail,
    /// The batch under way; kept for its memory.
    buffer: Vec<u8>,
    /// Entries of the batch under way, and where they are in the buffer.
    written: Vec<(LogId, std::ops::Range<usize>)>,
    /// The next segment, being prepared by another worker.
    spare: Option<oneshot::Receiver<io::Result<Arc<dyn File>>>>,
}

impl Drop for Writer {
    /// However the worker ends, nobody waits for it forever.
    fn drop(&mut self) {
        self.shared.fail(&LogFailed::WorkerGone, Vec::new());
    }
}

impl Writer {
    pub(super) fn new(host: Host, dir: PathBuf, shared: Arc<Shared>, tail: Tail) -> Writer {
        let writer = Writer {
            host,
            dir,
            shared,
            tail,
            buffer: Vec::new(),
            written: Vec::new(),
            spare: None,
        };
        writer.tell_sizes();
        writer
    }

    pub(super) fn shared(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }

    /// Writes until the log is closed, fails, or nobody is left.
    pub(super) async fn run(mut self) {
        while let Some(work) = self.shared.next().await {
            let before = self.tail.facts;
            self.encode(&work);
            let closes = work.ops.iter().any(|op| matches!(op, Op::Close { .. }));
            match self.carry_out(before, closes).await {
                Ok(()) => self.shared.finish(work),
                Err(failed) => {
                    tracing::error!(error = %failed, "the log takes nothing more");
                    self.shared.fail(&failed, work.ops);
                    break;
                }
            }
        }
        // A spare that appeared later would be in the way of whoever opens the log next.
        if let Some(Ok(Err(error))) = self.wait_for_spare().await {
            tracing::warn!(%error, "failed to prepare a segment of the log");
        }
    }

    /// Brings the encoded batch to the disk; `before` are the facts without it.
    async fn carry_out(&mut self, before: Facts, closes: bool) -> Result<(), LogFailed> {
        if self.buffer.len() > FRONT_BYTES {
            let needed = (self.buffer.len() - PLAIN_START) as u64;
            let fits = |segment: &Segment| segment.end + needed <= segment.capacity;
            let start = if self.tail.current.as_ref().is_some_and(fits) {
                self.write_batch().await?
            } else {
                self.begin_segment(before).await?
            };
            self.tell_written(start);
            self.delete_purged()?;
            self.prepare_spare();
        }
        if closes {
            self.end().write(&*self.host.files, &self.dir).await?;
        }
        Ok(())
    }

    /// Puts the records into the buffer, behind the room for headers, and their sum into the facts.
    fn encode(&mut self, work: &Work) {
        let Writer {
            host,
            buffer,
            written,
            tail,
            ..
        } = self;
        buffer.clear();
        // One large batch must not hold its memory for good.
        buffer.shrink_to(2 * self.shared.limits.batch_bytes);
        buffer.resize(FRONT_BYTES, 0);
        written.clear();
        let facts = &mut tail.facts;
        let forgets = |flaw| host.has(flaw);
        for op in &work.ops {
            match op {
                Op::Append { records, .. } => {
                    for record in records {
                        let start = buffer.len();
                        let (id, kind) = (record.id, record.kind);
                        Item::Entry {
                            id,
                            kind,
                            payload: &record.payload,
                        }
                        .encode(buffer);
                        written.push((id, start..buffer.len()));
                        facts.last = Some(id);
                    }
                }
                Op::Vote { vote, .. } if forgets(Flaw::ForgetVote) => facts.vote = Some(*vote),
                Op::Vote { vote, .. } => {
                    Item::Vote(*vote).encode(buffer);
                    facts.vote = Some(*vote);
                }
                Op::Truncate { after, .. } if forgets(Flaw::ForgetTruncation) => {
                    facts.last = *after;
                }
                Op::Truncate { after, .. } => {
                    Item::Truncate(*after).encode(buffer);
                    facts.last = *after;
                }
                Op::Purge { upto, last } => {
                    Item::Purge(*upto).encode(buffer);
                    facts.purged = Some(*upto);
                    facts.last = *last;
                }
                Op::Close { .. } => {}
            }
        }
        if let Some(committed) = work.committed {
            Item::Committed(committed).encode(buffer);
            facts.committed = Some(committed);
        }
    }

    /// Writes the batch into the current segment. Returns where its first record is.
    async fn write_batch(&mut self) -> Result<u64, LogFailed> {
        let Tail {
            current,
            batch,
            previous,
            ..
        } = &mut self.tail;
        let segment = current
            .as_mut()
            .expect("invariant: the caller saw room in it");
        let bytes = self.buffer.get_mut(PLAIN_START..).unwrap_or_default();
        *previous = seal_batch(bytes, *batch, *previous, segment.salt);
        *batch += 1;
        let at = segment.end;
        segment.end += bytes.len() as u64;
        let (file, path) = (Arc::clone(&segment.file), segment.path.clone());
        self.make_durable(&*file, &path, PLAIN_START, at).await?;
        Ok(at + BATCH_HEADER_BYTES as u64)
    }

    /// Begins a segment with the batch, whose first record repeats what the segments before say. The file gets its
    /// name only when that is durable. Returns where the first record behind the head is.
    async fn begin_segment(&mut self, before: Facts) -> Result<u64, LogFailed> {
        let file = self.take_spare().await?;
        let spare = self.dir.join(segment::SPARE);
        let sequence = self
            .tail
            .current
            .as_ref()
            .map_or(1, |segment| segment.sequence + 1);
        let header = SegmentHeader {
            segment: sequence,
            first_batch: self.tail.batch,
            previous: self.tail.previous,
            salt: self.host.random.u64(),
        };
        let mut front = Vec::with_capacity(FRONT_BYTES);
        header.encode(&mut front);
        open_batch(&mut front);
        Item::Head(before).encode(&mut front);
        self.buffer
            .iter_mut()
            .zip(front)
            .for_each(|(to, from)| *to = from);
        let batch = self
            .buffer
            .get_mut(SEGMENT_HEADER_BYTES..)
            .unwrap_or_default();
        self.tail.previous = seal_batch(batch, header.first_batch, header.previous, header.salt);
        self.tail.batch += 1;
        self.make_durable(&*file, &spare, 0, 0).await?;

        let path = self.dir.join(segment::name(sequence));
        let files = &*self.host.files;
        files
            .rename(&spare, &path)
            .map_err(LogFailed::disk("rename", &spare))?;
        if !self.host.has(Flaw::SkipFolderSync) {
            let synced = files.sync_dir(&self.dir);
            synced.map_err(LogFailed::disk("sync", &self.dir))?;
        }
        let end = self.buffer.len() as u64;
        let readable = Readable {
            file: Arc::clone(&file),
            path: path.clone(),
        };
        self.shared.state().segments.insert(sequence, readable);
        let capacity = self.shared.limits.segment_bytes.max(end);
        let salt = header.salt;
        let fresh = Segment {
            sequence,
            path,
            file,
            salt,
            end,
            capacity,
            highest: None,
        };
        self.tail.older.extend(self.tail.current.replace(fresh));
        self.tell_sizes();
        Ok(FRONT_BYTES as u64)
    }

    /// Writes the buffer from `start` on at `offset` and makes it durable: one write, one sync, and never again.
    async fn make_durable(
        &self,
        file: &dyn File,
        path: &Path,
        start: usize,
        offset: u64,
    ) -> Result<(), LogFailed> {
        let bytes = self.buffer.get(start..).unwrap_or_default();
        file.write_all_at(bytes, offset)
            .map_err(LogFailed::disk("write", path))?;
        let started = self.host.clock.monotonic();
        if !self.host.has(Flaw::AckBeforeSync) {
            let synced = file.sync_data().await;
            synced.map_err(LogFailed::disk("sync", path))?;
        }
        let took = self.host.clock.monotonic().saturating_sub(started);
        let mut state = self.shared.state();
        state.figures.syncs.add(took);
        state.figures.bytes_written += bytes.len() as u64;
        Ok(())
    }

    /// Tells readers where the entries are, and everybody how far the log is durable.
    fn tell_written(&mut self, first_record: u64) {
        let segment = self
            .tail
            .current
            .as_mut()
            .expect("invariant: a batch was written to it");
        let mut state = self.shared.state();
        for (id, range) in &self.written {
            let offset = first_record + (range.start - FRONT_BYTES) as u64;
            let place = Place {
                segment: segment.sequence,
                offset: u32::try_from(offset).expect("invariant: a segment is below 4 GiB"),
                length: u32::try_from(range.len()).expect("invariant: a record is below 4 GiB"),
            };
            state.index.place(*id, place);
            segment.highest = segment.highest.max(Some(id.index));
        }
        state.index.evict();
        state.figures.entries_written += self.written.len() as u64;
        drop(state);
        let last = self.tail.facts.last;
        self.shared
            .durable
            .send_if_modified(|durable| std::mem::replace(durable, last) != last);
    }

    /// Deletes the oldest segments as far as everything in them is purged, each durably before the next, so that a
    /// crash never leaves a gap between segments.
    fn delete_purged(&mut self) -> Result<(), LogFailed> {
        let purged = self.tail.facts.purged.map(|purged| purged.index);
        while let Some(oldest) = self
            .tail
            .older
            .pop_front_if(|oldest| oldest.highest <= purged)
        {
            let Segment { sequence, path, .. } = oldest;
            self.host
                .files
                .remove(&path)
                .map_err(LogFailed::disk("remove", &path))?;
            self.host
                .files
                .sync_dir(&self.dir)
                .map_err(LogFailed::disk("sync", &self.dir))?;
            self.shared.state().segments.remove(&sequence);
            self.tell_sizes();
        }
        Ok(())
    }

    /// Has the next segment made ready once the current one is half full: filling it takes longer than a batch may.
    fn prepare_spare(&mut self) {
        let half_full = |segment: &Segment| segment.end > segment.capacity / 2;
        if self.spare.is_some() || !self.tail.current.as_ref().is_some_and(half_full) {
            return;
        }
        let (tell, told) = oneshot::channel();
        let files = Arc::clone(&self.host.files);
        let (path, len) = (
            self.dir.join(segment::SPARE),
            self.shared.limits.segment_bytes,
        );
        let work = async move {
            let made = match files.create(&path, len) {
                Ok(file) => file.sync_data().await.map(|()| file),
                Err(error) => Err(error),
            };
            // A log that failed meanwhile needs no spare.
            drop(tell.send(made));
        };
        self.host.workers.spawn("log-spare", Box::pin(work));
        self.spare = Some(told);
    }

    async fn wait_for_spare(&mut self) -> Option<Result<io::Result<Arc<dyn File>>, RecvError>> {
        match self.spare.take() {
            Some(coming) => Some(coming.await),
            None => None,
        }
    }

    async fn take_spare(&mut self) -> Result<Arc<dyn File>, LogFailed> {
        let path = self.dir.join(segment::SPARE);
        if let Some(Ok(Ok(file))) = self.wait_for_spare().await {
            return Ok(file);
        }
        // A disk that had no room for it then may have it now.
        let files = &*self.host.files;
        let made = files.create(&path, self.shared.limits.segment_bytes);
        made.map_err(LogFailed::disk("create", &path))
    }

    fn end(&self) -> End {
        let Tail {
            current,
            batch,
            previous,
            ..
        } = &self.tail;
        let (segment, offset) = current
            .as_ref()
            .map_or((0, 0), |segment| (segment.sequence, segment.end));
        End {
            segment,
            offset,
            batch: *batch,
            previous: *previous,
        }
    }

    fn tell_sizes(&self) {
        let segments = self.tail.older.iter().chain(&self.tail.current);
        let bytes = segments.map(|segment| segment.capacity).sum();
        self.shared.state().figures.bytes_on_disk = bytes;
    }
}
