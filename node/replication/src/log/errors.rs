//! How the log fails.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::ids::LogId;

/// What helps when a log on disk is damaged; nothing the program may decide on its own.
const WAY_OUT: &str = "this member may have promised what it no longer has: keep the folder for inspection, start on an \
     empty one, and let the node rejoin as a new member (the others send it the data)";

/// A log on disk did not open. Nothing on disk was changed, apart from left-overs of an interrupted start.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The disk did not do as told.
    #[error("failed to {action} {}", file.display())]
    Files {
        /// What was tried.
        action: &'static str,
        /// On which file or folder.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Something is wrong that a crash cannot explain.
    #[error("failed to read the log: {what} in {} at offset {offset}; {WAY_OUT}", file.display())]
    Damaged {
        /// The file.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: String,
    },
    /// The log was written by a newer program.
    #[error(
        "failed to read the log: {} has format {found}, this program knows up to {known}; \
         start the version that wrote it, or a newer one",
        file.display()
    )]
    FromTheFuture {
        /// The file.
        file: PathBuf,
        /// Its format.
        found: u16,
        /// The highest format known.
        known: u16,
    },
    /// The limits do not hold together.
    #[error("failed to accept the limits of the log: {0}")]
    Limits(&'static str),
    /// The machine has no thread for the log.
    #[error("failed to start the worker of the log")]
    Worker,
}

impl OpenError {
    pub(super) fn files(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> OpenError {
        let file = file.to_owned();
        move |source| OpenError::Files {
            action,
            file,
            source,
        }
    }

    pub(super) fn damaged(file: &Path, offset: u64, what: impl Into<String>) -> OpenError {
        OpenError::Damaged {
            file: file.to_owned(),
            offset,
            what: what.into(),
        }
    }
}

/// The log takes nothing more. Sticky and fatal: what was not reported as durable may or may not be on disk.
#[derive(Clone, Debug, thiserror::Error)]
pub enum LogFailed {
    /// No room on the disk.
    #[error("failed to {action} {}: the disk is full", file.display())]
    DiskFull {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// The error as the system gave it.
        #[source]
        source: Arc<io::Error>,
    },
    /// The disk did not do as told. After a failed sync nobody knows what it has.
    #[error("failed to {action} {}: {source}", file.display())]
    Disk {
        /// What was tried.
        action: &'static str,
        /// On which file.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: Arc<io::Error>,
    },
    /// A caller left a hole, or went back over what is there.
    #[error("failed to append {found}: the log goes on with index {expected}")]
    OutOfOrder {
        /// The entry offered.
        found: LogId,
        /// The index that was due.
        expected: u64,
    },
    /// A caller wants to cut away what was purged, or what is not there.
    #[error("failed to truncate the log after {after}: it is not an entry of it")]
    NoSuchEntry {
        /// The entry to be kept as the last.
        after: LogId,
    },
    /// One append is larger than any batch may be.
    #[error("failed to append {bytes} bytes at once: the most is {max}")]
    TooLarge {
        /// Its size.
        bytes: usize,
        /// The most.
        max: usize,
    },
    /// The log was closed before.
    #[error("failed to write the log: it is closed")]
    Closed,
    /// The worker ended without being told to.
    #[error("failed to write the log: its worker is gone")]
    WorkerGone,
}

impl LogFailed {
    pub(super) fn disk(action: &'static str, file: &Path) -> impl FnOnce(io::Error) -> LogFailed {
        let file = file.to_owned();
        move |source| {
            let full = matches!(
                source.kind(),
                io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded
            );
            let source = Arc::new(source);
            if full {
                LogFailed::DiskFull {
                    action,
                    file,
                    source,
                }
            } else {
                LogFailed::Disk {
                    action,
                    file,
                    source,
                }
            }
        }
    }
}

/// Entries could not be read.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// They are gone for good; a snapshot has them.
    #[error("failed to read entry {index}: the log is purged up to {}", purged.index)]
    Purged {
        /// The first entry asked for.
        index: u64,
        /// The purge point.
        purged: LogId,
    },
    /// They are not there yet.
    #[error("failed to read entry {index}: the log ends before it")]
    Beyond {
        /// The entry asked for.
        index: u64,
    },
    /// The disk did not give them back.
    #[error("failed to read entry {index} from {}", file.display())]
    Disk {
        /// The entry.
        index: u64,
        /// The file it is in.
        file: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// The disk gave back something else than was written.
    #[error("failed to read entry {index}: {what} in {} at offset {offset}", file.display())]
    Damaged {
        /// The entry.
        index: u64,
        /// The file it is in.
        file: PathBuf,
        /// Where in it.
        offset: u64,
        /// What is wrong there.
        what: &'static str,
    },
}
