//! What the fuzz targets share. `make fuzz` runs them; `cargo fuzz run <target>` does too.

mod input;

pub use input::{wait, with_file};
