//! The machine itself.

mod clock;
mod files;
mod network;
mod random;
mod workers;

pub use clock::Clock;
pub use files::Files;
pub use network::Network;
pub use random::Random;
pub use workers::Workers;
