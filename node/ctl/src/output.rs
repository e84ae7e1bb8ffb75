//! The one way to the standard streams. A reader that goes away (`klusterctl list | head -1`) is no failure: what is
//! printed after that is dropped, and the work and its exit status are as they would be.

use std::fmt::Display;
use std::io::{self, ErrorKind, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

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

/// How often work that takes long is told of: on a terminal, where each line takes the place of the last one, and elsewhere.
const TOLD_EVERY: [Duration; 2] = [Duration::from_millis(200), Duration::from_secs(10)];

/// How far something has come that takes long, on standard error now and then.
pub struct Progress {
    what: &'static str,
    all: u64,
    /// How much is done, and when that was last told.
    done: Mutex<(u64, Instant)>,
    on_terminal: bool,
}

impl Progress {
    /// Nothing of `all` is done yet.
    pub fn new(what: &'static str, all: u64) -> Progress {
        Progress {
            what,
            all,
            done: Mutex::new((0, Instant::now())),
            on_terminal: io::stderr().is_terminal(),
        }
    }

    /// So many more are done.
    pub fn add(&self, more: u64) {
        let mut done = self.done.lock().unwrap_or_else(PoisonError::into_inner);
        done.0 += more;
        let [on_terminal, elsewhere] = TOLD_EVERY;
        let every = if self.on_terminal {
            on_terminal
        } else {
            elsewhere
        };
        if done.1.elapsed() >= every {
            done.1 = Instant::now();
            let Progress { what, all, .. } = self;
            match self.on_terminal {
                true => drop(write!(io::stderr(), "\r{} of {all} {what}\x1b[K", done.0)),
                false => aside(format_args!("{} of {all} {what}", done.0)),
            }
        }
    }

    /// All is done: what was told of it on a terminal goes.
    pub fn end(self) {
        if self.on_terminal {
            write!(io::stderr(), "\r\x1b[K").ok();
        }
    }
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
