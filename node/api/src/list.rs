//! A page of keys, as the data interface writes it in JSON.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde::{Deserialize, Serialize};

/// Bytes in JSON: as text where they are UTF-8, in base64 where they are not.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Encoded {
    /// The bytes as UTF-8.
    Text(String),
    /// The bytes in base64, standard alphabet with padding.
    Base64(String),
}

impl Encoded {
    /// Encodes bytes.
    pub fn new(bytes: &[u8]) -> Encoded {
        match std::str::from_utf8(bytes) {
            Ok(text) => Encoded::Text(text.to_owned()),
            Err(_) => Encoded::Base64(STANDARD.encode(bytes)),
        }
    }

    /// The bytes; `None` where the base64 is damaged.
    pub fn bytes(&self) -> Option<Vec<u8>> {
        match self {
            Encoded::Text(text) => Some(text.clone().into_bytes()),
            Encoded::Base64(text) => STANDARD.decode(text).ok(),
        }
    }
}

/// One key of a page.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListItem {
    /// The key.
    pub key: Encoded,
    /// Its value.
    pub value: Encoded,
    /// The revision that wrote the value.
    pub revision: u64,
}

/// A part of the answer to `GET /db`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ListPage {
    /// Keys in order.
    pub items: Vec<ListItem>,
    /// Where there is more: what to give as `from` for the next page, percent-encoded already.
    pub next: Option<String>,
    /// The position that the page was read at, or after.
    pub position: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_say_how_they_are_written() {
        for (bytes, json) in [
            (&b"plain"[..], r#"{"text":"plain"}"#),
            (b"", r#"{"text":""}"#),
            (b"\xff\x00", r#"{"base64":"/wA="}"#),
        ] {
            let encoded = Encoded::new(bytes);
            assert_eq!(serde_json::to_string(&encoded).unwrap(), json);
            assert_eq!(encoded.bytes().unwrap(), bytes);
        }
        assert_eq!(Encoded::Base64("!".to_owned()).bytes(), None);
    }
}
