//! Quantities as Kubernetes writes them: `10Gi`, `500m`, `1e3`, compared by value and not by text.

use std::cmp::Ordering;

const SUFFIXES: [(&str, i32, i32); 14] = [
    ("Ki", 2, 10),
    ("Mi", 2, 20),
    ("Gi", 2, 30),
    ("Ti", 2, 40),
    ("Pi", 2, 50),
    ("Ei", 2, 60),
    ("n", 10, -9),
    ("u", 10, -6),
    ("m", 10, -3),
    ("k", 10, 3),
    ("M", 10, 6),
    ("G", 10, 9),
    ("T", 10, 12),
    ("P", 10, 15),
];

/// The value of a quantity; nothing if the text is none. Exact enough to compare sizes that differ at all.
pub fn parse(text: &str) -> Option<f64> {
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, base, power)| {
            Some((text.strip_suffix(suffix)?, f64::from(*base).powi(*power)))
        })
        .or_else(|| Some((text.strip_suffix('E')?, 1e18)))
        .unwrap_or((text, 1.0));
    let plain = number
        .bytes()
        .all(|b| b.is_ascii_digit() || matches!(b, b'.' | b'+' | b'-' | b'e' | b'E'));
    if !plain {
        return None;
    }
    number
        .parse::<f64>()
        .ok()
        .map(|value| value * factor)
        .filter(|value| value.is_finite())
}

/// Compares two quantities; nothing if one is none.
pub fn compare(a: &str, b: &str) -> Option<Ordering> {
    parse(a)?.partial_cmp(&parse(b)?)
}

#[cfg(test)]
mod tests {
    use super::{compare, parse};
    use std::cmp::Ordering::{Equal, Greater, Less};

    #[test]
    fn quantities_are_compared_by_value() {
        for (a, b, order) in [
            ("1Gi", "1024Mi", Equal),
            ("1000m", "1", Equal),
            ("1G", "1Gi", Less),
            ("2", "1500m", Greater),
            ("1e3", "1k", Equal),
            ("1E", "1000P", Equal),
        ] {
            assert_eq!(compare(a, b), Some(order), "{a} against {b}");
        }
        for bad in ["", "ten", "1Gi1", "Gi", "inf", "nan"] {
            assert_eq!(parse(bad), None, "{bad}");
        }
    }
}
