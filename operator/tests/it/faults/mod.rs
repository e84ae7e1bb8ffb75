//! The operator under faults: between it and a real API server stands a layer that cuts, refuses, loses and delays,
//! and whatever goes wrong, the end is the one without a fault. Real are etcd, API server, StatefulSet controller and
//! garbage collector; kubelets, volumes and nodes are played.

mod cuts;
mod director;
mod end;
mod fault;
mod fields;
mod life;
mod lifecycle;
mod play;
mod refused;
mod rehearsal;
mod scenes;
mod schema;
mod supervisor;
mod theatre;
mod watched;
mod wire;
