//! Words for who runs the tests.

use std::fmt::Display;
use std::io::Write;

/// Prints a line that is seen also where the test passes: what a test prints itself is kept from view then.
pub fn tell(line: impl Display) {
    // Who closed stderr does not want to know.
    writeln!(std::io::stderr().lock(), "{line}").ok();
}
