//! node-host: what a node needs of its machine, as contracts: clock, files, byte streams, randomness, workers.
//!
//! [`Host::real`] is the machine itself; the simulator has its own. Waiting is not in here: it is `tokio::time`,
//! which the simulator runs on virtual time.

mod clock;
mod files;
mod flaw;
mod machine;
mod network;
mod random;
pub mod real;
mod workers;

pub use clock::{Clock, WallMillis};
pub use files::{File, Files, Space};
pub use flaw::Flaw;
pub use machine::Host;
pub use network::{BoxDuplex, Duplex, Listener, Network};
pub use random::Random;
pub use workers::Workers;
