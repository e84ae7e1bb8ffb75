//! Why a state on disk could not be opened, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};

use node_storage::StorageError;

/// A state did not open.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {
    /// The machine refused: permissions, space, hardware. The state itself may be sound.
    #[error("failed to {action} {path}")]
    Io {
        /// What was tried, as a verb.
        action: &'static str,
        /// On which file or folder.
        path: PathBuf,
        /// Why it failed.
        #[source]
        source: io::Error,
    },
    /// Another process has the state open.
    #[error("failed to open the state in {path}: another process has it open")]
    Locked {
        /// The state's folder.
        path: PathBuf,
    },
    /// The state was written by a newer program. It is sound, and nothing was changed.
    #[error(
        "failed to open the state in {path}: it has format {found}, and this program reads up to {known}"
    )]
    FromTheFuture {
        /// The folder that holds it.
        path: PathBuf,
        /// Its format.
        found: u32,
        /// The newest format that this program reads.
        known: u32,
    },
    /// The state is damaged: it will not open again by itself.
    #[error("failed to open the state in {path}: {what}")]
    Damaged {
        /// The folder that holds it.
        path: PathBuf,
        /// What is wrong.
        what: &'static str,
        /// What the storage engine said.
        #[source]
        source: Option<fjall::Error>,
    },
}

impl DiskError {
    /// True where the state is lost and is to be rebuilt from snapshot and log: see [`crate::Disk::open_or_set_aside`].
    pub fn is_damage(&self) -> bool {
        match self {
            DiskError::Damaged { .. } => true,
            DiskError::Io { .. } | DiskError::Locked { .. } | DiskError::FromTheFuture { .. } => {
                false
            }
        }
    }

    pub(crate) fn io(action: &'static str, path: &Path) -> impl FnOnce(io::Error) -> DiskError {
        move |source| DiskError::Io {
            action,
            path: path.to_owned(),
            source,
        }
    }

    /// Sorts what fjall said when it opened a state.
    pub(crate) fn opening(path: &Path, source: fjall::Error) -> DiskError {
        let path = path.to_owned();
        match source {
            fjall::Error::Locked => DiskError::Locked { path },
            fjall::Error::Io(source) | fjall::Error::Storage(fjall::LsmError::Io(source))
                if !means_damage(&source) =>
            {
                DiskError::Io {
                    action: "open the state in",
                    path,
                    source,
                }
            }
            source => {
                let what = "its files are damaged";
                DiskError::Damaged {
                    path,
                    what,
                    source: Some(source),
                }
            }
        }
    }
}

/// True for what reading a damaged file gives: an error of the reading program's own making, or of the kind that a wrong offset
/// or a missing part gives. False for what a sound state gives on a bad day: no space, no permission, no descriptors, a
/// failing device.
fn means_damage(error: &io::Error) -> bool {
    use io::ErrorKind::{AlreadyExists, InvalidData, InvalidInput, NotFound, UnexpectedEof};
    error.raw_os_error().is_none()
        || matches!(
            error.kind(),
            AlreadyExists | InvalidData | InvalidInput | NotFound | UnexpectedEof
        )
}

/// Turns a failure of fjall into the contract's.
pub(crate) fn failed(action: &'static str) -> impl Fn(fjall::Error) -> StorageError {
    move |source| StorageError::failed(action, source)
}
