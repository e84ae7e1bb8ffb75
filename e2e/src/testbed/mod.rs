//! The test-bed: a real Kubernetes of several nodes in several zones, on one Debian machine, as root.
//!
//! [`Testbed`] brings it up, takes it down and loads images into it. Each node is a network namespace, a cgroup and
//! a folder, with its own containerd, kubelet and kube-proxy; the control plane has a namespace of its own. What it
//! does not do: enforce what a NetworkPolicy says of egress, or reach the outside.

mod base;
mod bed;
mod buildah;
mod cgroups;
mod command_line;
mod config_file;
mod control;
mod daemon;
mod down;
mod faults;
mod images;
mod layout;
mod mounts;
mod network;
mod node;
mod objects;
mod policies;
mod process;
mod project_image;
mod secrets;
mod shell;
mod status;
mod store;
mod up;
mod volumes;
mod watching;

pub use bed::Testbed;
pub use command_line::CommandLine;
pub use daemon::Record;
pub use down::Leftovers;
pub use faults::Cut;
pub use images::{BUSYBOX, PAUSE};
pub use layout::{Layout, NODES_MAX, Node, SLOTS_MAX};
pub use mounts::LoopDevice;
pub use objects::STORAGE_CLASS;
pub use process::{Process, of_pod as processes_of_pod};
pub use project_image::{PROJECT_IMAGE, PROJECT_IMAGE_OF_CHART, ProjectImage};
pub use status::Status;
pub use store::Store;
