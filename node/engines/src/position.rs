//! Where in history something happened.

use std::fmt;
use std::str::FromStr;

/// Which ordered log. There is one, number 0; the number stands in every format so that more can be added.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogNumber(pub u32);

/// Which history of that log: raised by a forced recovery or a restore, after which older positions name nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Incarnation(pub u32);

/// The index of an entry in the log.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct LogIndex(pub u64);

/// A point in history: everything up to and with one entry. Totally ordered; as text (`0.1.42`) an opaque token for clients.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Position {
    /// The log.
    pub log: LogNumber,
    /// The history of that log.
    pub incarnation: Incarnation,
    /// The entry.
    pub index: LogIndex,
}

/// A text that is not a position.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to read a position: it is a token that a node gave out, such as 0.1.42")]
pub struct ParsePositionError;

impl fmt::Display for LogIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}.{}", self.log.0, self.incarnation.0, self.index.0)
    }
}

/// Decimal digits alone, as [`Position`] prints them: no sign, no leading zero.
fn number<N: FromStr>(text: &str) -> Result<N, ParsePositionError> {
    let plain = text == "0" || !text.starts_with(['0', '+', '-']);
    if !plain {
        return Err(ParsePositionError);
    }
    text.parse().map_err(|_| ParsePositionError)
}

impl FromStr for Position {
    type Err = ParsePositionError;

    fn from_str(text: &str) -> Result<Position, ParsePositionError> {
        let mut parts = text.split('.');
        let mut part = || parts.next().ok_or(ParsePositionError);
        let position = Position {
            log: LogNumber(number(part()?)?),
            incarnation: Incarnation(number(part()?)?),
            index: LogIndex(number(part()?)?),
        };
        match parts.next() {
            None => Ok(position),
            Some(_) => Err(ParsePositionError),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_are_ordered_by_log_then_incarnation_then_index() {
        let read = |text: &str| text.parse::<Position>().unwrap();
        let ascending = [
            "0.0.1",
            "0.0.10",
            "0.1.2",
            "1.0.0",
            "1.0.18446744073709551615",
        ];
        assert!(ascending.map(read).is_sorted());
        for text in ascending {
            assert_eq!(read(text).to_string(), text);
        }
    }

    #[test]
    fn other_texts_are_refused() {
        for text in [
            "",
            "1",
            "0.0",
            "0.0.0.0",
            "0.0.-1",
            "0.0.+1",
            "0.0.01",
            "a.b.c",
            "0.4294967296.0",
            "0.0. 1",
        ] {
            assert_eq!(
                text.parse::<Position>(),
                Err(ParsePositionError),
                "{text:?}"
            );
        }
    }
}
