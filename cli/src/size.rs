//! Sizes as people write them: `500`, `64K`, `20M`, `16G`, `none`.

/// Bytes. `none` is more than there can be.
pub(crate) fn parse(text: &str) -> Result<u64, String> {
    let bad = || format!("\"{text}\" is no size; write it like 500, 64K, 20M, 16G, 2T or none");
    if text == "none" {
        return Ok(u64::MAX);
    }
    let digits = text.trim_end_matches(|sign: char| sign.is_ascii_alphabetic());
    let unit = text.get(digits.len()..).unwrap_or_default();
    let unit = unit.to_ascii_uppercase();
    let shift = match unit.trim_end_matches('B').trim_end_matches('I') {
        "" if unit.is_empty() || unit == "B" => 0,
        "K" => 10,
        "M" => 20,
        "G" => 30,
        "T" => 40,
        _ => return Err(bad()),
    };
    let number: u64 = digits.parse().map_err(|_| bad())?;
    number.checked_mul(1 << shift).ok_or_else(bad)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_have_units() {
        for (text, bytes) in [
            ("0", 0),
            ("500", 500),
            ("64K", 64 << 10),
            ("20M", 20 << 20),
            ("20MiB", 20 << 20),
            ("16g", 16 << 30),
            ("2T", 2 << 40),
            ("none", u64::MAX),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "G", "1X", "-1", "1.5G", "1IB", "99999999999T", "1 G"] {
            assert!(parse(text).is_err(), "{text}");
        }
    }
}
