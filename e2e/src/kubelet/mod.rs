//! A small stand-in for scheduler, volume provisioner and kubelet, for tests that need no container runtime.
//!
//! It takes what the real ones take (pods, claims, ConfigMaps, Secrets, from a real API server) and does what they
//! do: binds pods to nodes, makes volumes, starts the pod's command as a real process, probes it, reports status,
//! restarts what exits and honours deletion. Each process sees the root the pod asks for (its volumes at their
//! mount paths, a pod-bound ServiceAccount token, its own `/etc/hosts`) through a mount namespace of its own, so
//! the program reads the very configuration that it would read in a container. It needs root.
//!
//! What differs from a container, and only that: all pods share the machine's network, each on a loopback address
//! of its own that `KLUSTER_BIND_HOST` tells the program; names of pods resolve through `/etc/hosts`; an image is
//! the machine's `/usr` and the [`Options::programs`]; resources are not enforced; a pod has one container and
//! no hooks; affinities and spread constraints are not weighed, pods spread over the nodes that fit; a changed
//! ConfigMap or Secret reaches the files at the next start of the container. What it cannot do it refuses, in the
//! status of the pod.

mod addresses;
mod command;
mod containers;
mod environment;
mod files;
mod life;
mod nodes;
mod probes;
mod processes;
mod programs;
mod scheduler;
mod shared;
mod stand_in;
mod status;
mod sync;
mod volumes;

pub use programs::program;
pub use stand_in::{Kubelet, Options};
