//! Members on loopback in one process: real sockets, real files, and a machine small enough to see through.

mod cluster;
mod elections;
mod failures;
mod machine;
mod members;
mod reads;
mod restarts;
mod snapshots;
mod writes;
