//! Faults, each with its way back: a machine that loses power, a zone that is cut off, an API server that is away.
//!
//! All are methods of [`Testbed`](super::Testbed) and subcommands of `testbed`; `up` heals the first and the last too.
//! What a power loss cannot take away here is what was written but not synced: the pages belong to the one kernel.

mod api_server;
mod machine;
mod zone;

pub use zone::Cut;
