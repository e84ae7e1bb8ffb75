//! Percent-encoding of keys in paths and queries. Keys are bytes: nothing here asks for UTF-8.

/// A `%` that two hexadecimal digits do not follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("failed to decode: the '%' at byte {at} is not followed by two hexadecimal digits")]
pub struct Malformed {
    /// Where the `%` stands.
    pub at: usize,
}

/// The bytes as they may stand in a path or query: unreserved characters and `/` as they are, all others encoded.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for &byte in bytes {
        if byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte) {
            text.push(char::from(byte));
        } else {
            text.push('%');
            text.push(digit(byte >> 4));
            text.push(digit(byte & 15));
        }
    }
    text
}

fn digit(value: u8) -> char {
    char::from_digit(u32::from(value), 16)
        .expect("invariant: four bits are one hexadecimal digit")
        .to_ascii_uppercase()
}

/// The bytes that `text` stands for. A `+` is a plus.
pub fn decode(text: &str) -> Result<Vec<u8>, Malformed> {
    let bytes = text.as_bytes();
    let mut decoded = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        if byte != b'%' {
            decoded.push(byte);
            at += 1;
            continue;
        }
        let value = |offset: usize| {
            let digit = bytes.get(at + offset)?;
            char::from(*digit).to_digit(16)
        };
        let (Some(high), Some(low)) = (value(1), value(2)) else {
            return Err(Malformed { at });
        };
        decoded.push(u8::try_from(high << 4 | low).expect("invariant: two digits are one byte"));
        at += 3;
    }
    Ok(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_byte_survives() {
        let all: Vec<u8> = (0..=255).collect();
        assert_eq!(decode(&encode(&all)).unwrap(), all);
    }

    #[test]
    fn other_spellings_decode_alike() {
        assert_eq!(decode("a%2fb%2Fc/d+e").unwrap(), b"a/b/c/d+e");
        assert_eq!(encode(b"a/b c%"), "a/b%20c%25");
    }

    #[test]
    fn half_an_escape_is_refused() {
        for (text, at) in [
            ("%", 0),
            ("a%2", 1),
            ("ab%zz", 2),
            ("%+1", 0),
            ("%00%g0", 3),
        ] {
            assert_eq!(decode(text), Err(Malformed { at }), "{text}");
        }
    }
}
