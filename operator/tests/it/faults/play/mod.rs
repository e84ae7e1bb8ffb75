//! Hands that play what a light control plane lacks: the kubelets, the volumes' provisioner, the nodes and their
//! agents. They obey wishes as the real agents do, and react to each change at once.

mod log;
mod report;
mod world;

pub use world::World;
