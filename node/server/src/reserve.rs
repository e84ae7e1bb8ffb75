//! Keeps the last bit of the disk free: a log that meets the end of its disk can only stop.
//!
//! A leader takes no write below the reserve. Other members take what a leader sends them down to half of it, so that
//! disks that fill alike stop at the leader, with a clear answer for the writer.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, PoisonError};

use node_host::{Host, Space};

use crate::config::Limits;

/// After so many bytes it is time to look again, however short ago the last look was.
const LOOK_AFTER_BYTES: u64 = 4 << 20;

/// Of a small disk no more than one part in so many is kept free.
const SMALL_DISK_SHARE: u64 = 4;

/// Knows how much room the disk has, as of the last look.
pub struct Reserve {
    host: Host,
    dir: PathBuf,
    bytes: u64,
    percent: u64,
    full: AtomicBool,
    /// Entries of a leader were refused the last time it was asked for room for them.
    refusing: AtomicBool,
    /// Bytes that were let in since the last look.
    let_in: AtomicU64,
    space: Mutex<Option<Space>>,
}

impl Reserve {
    /// Watches the disk of `dir`, from the first [`Reserve::look`] on.
    pub fn new(host: Host, dir: PathBuf, limits: &Limits) -> Reserve {
        Reserve {
            host,
            dir,
            bytes: limits.reserve_bytes,
            percent: limits.reserve_percent,
            full: AtomicBool::new(false),
            refusing: AtomicBool::new(false),
            let_in: AtomicU64::new(0),
            space: Mutex::new(None),
        }
    }

    /// Measures. A disk that cannot be measured counts as it did before.
    pub fn look(&self) {
        self.let_in.store(0, Ordering::Relaxed);
        let space = match self.host.files.space(&self.dir) {
            Ok(space) => space,
            Err(error) => {
                tracing::warn!(%error, "failed to measure the disk");
                return;
            }
        };
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = Some(space);
        let full = space.available_bytes < self.floor(space);
        if self.full.swap(full, Ordering::Relaxed) != full {
            let Space {
                available_bytes,
                total_bytes,
            } = space;
            match full {
                true => tracing::warn!(
                    available_bytes,
                    total_bytes,
                    "the disk is nearly full: writes are refused"
                ),
                false => tracing::info!(available_bytes, total_bytes, "the disk has room again"),
            }
        }
    }

    /// So many bytes are let in: they are on the disk before the next look in time may be.
    pub fn let_in(&self, bytes: u64) {
        let before = self.let_in.fetch_add(bytes, Ordering::Relaxed);
        if before.saturating_add(bytes) >= LOOK_AFTER_BYTES {
            self.look();
        }
    }

    /// Whether a member that does not lead may take so many bytes of its leader's, which are let in then.
    pub fn has_room(&self, bytes: u64) -> bool {
        self.let_in(bytes);
        let Some(space) = self.space() else {
            return true;
        };
        let least = (self.floor(space) / 2).saturating_add(bytes);
        let refused = space.available_bytes < least;
        if self.refusing.swap(refused, Ordering::Relaxed) != refused {
            let available_bytes = space.available_bytes;
            match refused {
                true => tracing::warn!(
                    available_bytes,
                    "the disk is nearly full: entries of the leader are refused"
                ),
                false => tracing::info!(available_bytes, "entries of the leader are taken again"),
            }
        }
        !refused
    }

    fn floor(&self, space: Space) -> u64 {
        let share = u128::from(space.total_bytes) * u128::from(self.percent) / 100;
        let bytes = self.bytes.min(space.total_bytes / SMALL_DISK_SHARE);
        bytes.max(u64::try_from(share).unwrap_or(u64::MAX))
    }

    /// True while writes are refused.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// The room there was at the last look.
    pub fn space(&self) -> Option<Space> {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use std::io;
    use std::path::Path;
    use std::sync::Arc;

    use node_host::{File, Files};

    use super::*;

    const MIB: u64 = 1 << 20;

    /// A disk that can only be measured.
    struct Measured(Mutex<Space>);

    impl Files for Measured {
        fn space(&self, _dir: &Path) -> io::Result<Space> {
            Ok(*self.0.lock().unwrap())
        }
        fn create_dir_all(&self, _dir: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn list(&self, _dir: &Path) -> io::Result<Vec<String>> {
            unreachable!()
        }
        fn exists(&self, _path: &Path) -> io::Result<bool> {
            unreachable!()
        }
        fn create(&self, _path: &Path, _len: u64) -> io::Result<Arc<dyn File>> {
            unreachable!()
        }
        fn open(&self, _path: &Path) -> io::Result<Arc<dyn File>> {
            unreachable!()
        }
        fn rename(&self, _from: &Path, _to: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn remove(&self, _path: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn remove_dir_all(&self, _dir: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn sync_dir(&self, _dir: &Path) -> io::Result<()> {
            unreachable!()
        }
        fn lock(&self, _path: &Path) -> io::Result<Box<dyn Send + Sync>> {
            unreachable!()
        }
    }

    /// A reserve of 64 MiB and 2 %, and its disk.
    fn reserve(total_bytes: u64, available_bytes: u64) -> (Reserve, Arc<Measured>) {
        let space = Space {
            total_bytes,
            available_bytes,
        };
        let disk = Arc::new(Measured(Mutex::new(space)));
        let host = Host {
            files: disk.clone(),
            ..Host::real()
        };
        let limits = Limits {
            reserve_bytes: 64 * MIB,
            reserve_percent: 2,
            ..Limits::default()
        };
        let reserve = Reserve::new(host, PathBuf::new(), &limits);
        reserve.look();
        (reserve, disk)
    }

    fn leave(disk: &Measured, available_bytes: u64) {
        disk.0.lock().unwrap().available_bytes = available_bytes;
    }

    #[test]
    fn the_reserve_is_bytes_and_a_share() {
        for (total, available, full) in [
            (1000 * MIB, 100 * MIB, false),
            (1000 * MIB, 64 * MIB, false),
            (1000 * MIB, 64 * MIB - 1, true),
            (10_000 * MIB, 200 * MIB, false),
            (10_000 * MIB, 199 * MIB, true),
            (100 * MIB, 25 * MIB, false),
            (100 * MIB, 25 * MIB - 1, true),
        ] {
            let (reserve, _) = reserve(total, available);
            assert_eq!(reserve.is_full(), full, "{total} {available}");
        }
    }

    #[test]
    fn much_that_is_let_in_is_a_reason_to_look() {
        let (reserve, disk) = reserve(1000 * MIB, 70 * MIB);
        leave(&disk, 60 * MIB);
        reserve.let_in(3 * MIB);
        assert!(!reserve.is_full(), "nobody looked yet");
        reserve.let_in(MIB);
        assert!(reserve.is_full());
        leave(&disk, 70 * MIB);
        reserve.look();
        assert!(!reserve.is_full());
    }

    #[test]
    fn entries_of_a_leader_are_taken_down_to_half_of_the_reserve() {
        let (reserve, disk) = reserve(1000 * MIB, 40 * MIB);
        assert!(reserve.is_full());
        assert!(reserve.has_room(MIB));
        assert!(!reserve.has_room(9 * MIB));
        leave(&disk, 32 * MIB);
        reserve.look();
        assert!(!reserve.has_room(1));
        leave(&disk, 33 * MIB);
        reserve.look();
        assert!(reserve.has_room(1));
    }
}
