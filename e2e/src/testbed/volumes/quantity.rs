//! Sizes as Kubernetes writes them.

use anyhow::{Context, Result};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// What the suffixes stand for.
const SUFFIXES: &[(&str, u64)] = &[
    ("Ki", 1 << 10),
    ("Mi", 1 << 20),
    ("Gi", 1 << 30),
    ("Ti", 1 << 40),
    ("k", 1_000),
    ("M", 1_000_000),
    ("G", 1_000_000_000),
    ("T", 1_000_000_000_000),
    ("", 1),
];

/// The bytes of a whole number with or without a suffix; an error for what else a quantity may be (`1.5Gi`, `1e9`).
pub fn bytes(quantity: &Quantity) -> Result<u64> {
    let text = quantity.0.as_str();
    let (number, factor) = SUFFIXES
        .iter()
        .find_map(|(suffix, factor)| Some((text.strip_suffix(suffix)?, factor)))
        .context("every text ends with nothing")?;
    let number: u64 = number
        .parse()
        .with_context(|| format!("{text} is no size that a volume of the test-bed can have"))?;
    number
        .checked_mul(*factor)
        .with_context(|| format!("{text} is too large"))
}

/// The quantity of that many bytes.
pub fn of(bytes: u64) -> Quantity {
    let mebibyte = 1 << 20;
    Quantity(match bytes % mebibyte {
        0 => format!("{}Mi", bytes / mebibyte),
        _ => bytes.to_string(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_suffix() {
        let of = |text: &str| bytes(&Quantity(text.to_owned())).ok();
        assert_eq!(of("128Mi"), Some(128 << 20));
        assert_eq!(of("2G"), Some(2_000_000_000));
        assert_eq!(of("4096"), Some(4096));
        assert_eq!(super::of(128 << 20).0, "128Mi");
        assert_eq!(super::of(4097).0, "4097");
        for wrong in ["", "Mi", "1.5Gi", "1e9", "-1", "99999999999Ti"] {
            assert_eq!(of(wrong), None, "{wrong}");
        }
    }
}
