//! Keeps the last bit of the disk free: a log that meets the end of its disk can only stop.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};

use node_host::{Host, Space};

use crate::config::Limits;

/// Knows how much room the disk has, as of the last look.
pub struct Reserve {
    host: Host,
    dir: PathBuf,
    bytes: u64,
    percent: u64,
    full: AtomicBool,
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
            space: Mutex::new(None),
        }
    }

    /// Measures. A disk that cannot be measured counts as it did before.
    pub fn look(&self) {
        let space = match self.host.files.space(&self.dir) {
            Ok(space) => space,
            Err(error) => {
                tracing::warn!(%error, "failed to measure the disk");
                return;
            }
        };
        *self.space.lock().unwrap_or_else(PoisonError::into_inner) = Some(space);
        let full = below(space, self.bytes, self.percent);
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

    /// True while writes are refused.
    pub fn is_full(&self) -> bool {
        self.full.load(Ordering::Relaxed)
    }

    /// The room there was at the last look.
    pub fn space(&self) -> Option<Space> {
        *self.space.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn below(space: Space, bytes: u64, percent: u64) -> bool {
    let share = u128::from(space.total_bytes) * u128::from(percent) / 100;
    space.available_bytes < bytes || u128::from(space.available_bytes) < share
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reserve_is_bytes_and_a_share() {
        const MIB: u64 = 1 << 20;
        for (total, available, full) in [
            (1000 * MIB, 100 * MIB, false),
            (1000 * MIB, 64 * MIB, false),
            (1000 * MIB, 64 * MIB - 1, true),
            (10_000 * MIB, 200 * MIB, false),
            (10_000 * MIB, 199 * MIB, true),
            (0, 0, true),
        ] {
            let space = Space {
                total_bytes: total,
                available_bytes: available,
            };
            assert_eq!(below(space, 64 * MIB, 2), full, "{total} {available}");
        }
    }
}
