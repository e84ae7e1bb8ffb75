//! node-disk: the contract of node-storage on a real disk.
use std::path::Path;
/// A storage on disk.
pub struct Disk;
/// The state did not open.
#[derive(Debug, thiserror::Error)]
pub enum DiskError {}
impl Disk {
    /// Opens the state under `dir`.
    pub fn open(_dir: &Path) -> Result<Disk, DiskError> { Ok(Disk) }
}
