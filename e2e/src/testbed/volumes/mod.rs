//! Volumes of a limited size that grow while they are in use: XFS file systems in files, and what makes them.
//!
//! [`serve`] is the provisioner of the test-bed's StorageClass. It does what [`action`] says is to be done, and
//! starts from nothing each time: whatever it was in the middle of when it died is done again. XFS, not ext4: growing
//! a mounted ext4 needs CAP_SYS_RESOURCE, which root in a container often lacks.

mod action;
mod disk;
mod provisioner;
mod quantity;

pub use provisioner::{PROVISIONED_BY, PROVISIONER, serve};
