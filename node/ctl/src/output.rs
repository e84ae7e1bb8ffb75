//! The one way to the standard streams. A reader that goes away (`klusterctl list | head -1`) is no failure: what is
//! printed after that is dropped, and the work and its exit status are as they would be.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};

use anyhow::{Context, Result};

/// Whether anybody read what was printed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reader {
    /// As far as is known.
    There,
    /// Nobody reads any more.
    Gone,
}

/// Prints a line.
///
/// # Errors
/// When the output cannot take it for another reason than that nobody reads.
pub fn line(text: impl Display) -> Result<Reader> {
    let mut out = io::stdout().lock();
    told(writeln!(out, "{text}").and_then(|()| out.flush()))
}

/// Prints bytes as they are; for a person at a terminal with a line break at their end.
///
/// # Errors
/// As [`line()`].
pub fn bytes(value: &[u8]) -> Result<Reader> {
    let mut out = io::stdout().lock();
    let end: &[u8] = if needs_line_break(value, out.is_terminal()) {
        b"\n"
    } else {
        b""
    };
    let written = out.write_all(value).and_then(|()| out.write_all(end));
    told(written.and_then(|()| out.flush()))
}

/// Says what goes on beside the output, on standard error; where nobody hears it, it is not said.
pub fn aside(text: impl Display) {
    writeln!(io::stderr(), "{text}").ok();
}

fn told(written: io::Result<()>) -> Result<Reader> {
    match written {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(Reader::Gone),
        written => written
            .map(|()| Reader::There)
            .context("failed to print the answer"),
    }
}

fn needs_line_break(value: &[u8], to_terminal: bool) -> bool {
    to_terminal && !value.ends_with(b"\n")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reader_that_went_away_is_no_failure() {
        let failed = |kind: ErrorKind| told(Err(kind.into())).ok();
        assert_eq!(told(Ok(())).unwrap(), Reader::There);
        assert_eq!(failed(ErrorKind::BrokenPipe), Some(Reader::Gone));
        assert_eq!(failed(ErrorKind::StorageFull), None);
    }

    #[test]
    fn a_value_ends_with_a_line_break_on_a_terminal_alone() {
        for (value, to_terminal, needs) in [
            (&b"hello"[..], true, true),
            (b"hello\n", true, false),
            (b"", true, true),
            (b"hello", false, false),
        ] {
            assert_eq!(needs_line_break(value, to_terminal), needs, "{value:?}");
        }
    }
}
