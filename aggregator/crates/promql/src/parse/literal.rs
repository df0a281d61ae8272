//! What tokens stand for: numbers, durations, strings.

use crate::print::quote;

/// The value of a number token. Whole numbers may be hexadecimal or, with a zero in front, octal.
pub(super) fn number(text: &str) -> Result<f64, String> {
    let refused = |reason: &str| {
        let text = quote(text);
        format!("error parsing number: strconv.ParseFloat: parsing {text}: {reason}")
    };
    match text.to_ascii_lowercase().as_str() {
        "inf" => return Ok(f64::INFINITY),
        "nan" => return Ok(f64::NAN),
        _ => {}
    }
    if !has_sound_separators(text) {
        return Err(refused("invalid syntax"));
    }
    let digits = text.replace('_', "");
    if let Some(hex) = digits.strip_prefix("0x").or(digits.strip_prefix("0X")) {
        let value = i64::from_str_radix(hex, 16).map_err(|_| refused("invalid syntax"))?;
        return Ok(value as f64);
    }
    let octal = digits.strip_prefix('0').filter(|rest| !rest.is_empty());
    if let Some(value) = octal.and_then(|rest| i64::from_str_radix(rest, 8).ok()) {
        return Ok(value as f64);
    }
    let value: f64 = digits.parse().map_err(|_| refused("invalid syntax"))?;
    if value.is_infinite() {
        return Err(refused("value out of range"));
    }
    Ok(value)
}

/// Whether every underscore stands between digits, or between the prefix and a digit.
fn has_sound_separators(text: &str) -> bool {
    let bytes = text.as_bytes();
    let is_hex = text.starts_with("0x") || text.starts_with("0X");
    let is_digit = |at: usize| {
        let byte = bytes.get(at);
        byte.is_some_and(|b| b.is_ascii_digit() || (is_hex && b.is_ascii_hexdigit()))
    };
    let is_prefix = |at: usize| is_hex && at == 1;
    let underscores = bytes.iter().enumerate().filter(|(_, b)| **b == b'_');
    underscores
        .map(|(at, _)| at)
        .all(|at| at > 0 && (is_digit(at - 1) || is_prefix(at - 1)) && is_digit(at + 1))
}

/// Units from the largest to the smallest, in milliseconds.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1000),
    ("ms", 1),
];

/// The longest duration, in milliseconds: what 63 bits of nanoseconds hold.
const LONGEST_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

/// The seconds of a duration token. Each unit may come once, the larger before the smaller.
pub(super) fn duration_seconds(text: &str) -> Result<f64, String> {
    let invalid = || format!("not a valid duration string: {}", quote(text));
    let out_of_range = || "duration out of range".to_owned();
    let mut rest = text;
    let mut allowed = &UNITS[..];
    let mut millis = 0_u64;
    while !rest.is_empty() {
        let (digits, behind) = split_at_end_of(rest, |c| c.is_ascii_digit());
        let (unit, behind) = split_at_end_of(behind, |c| !c.is_ascii_digit());
        let count: u64 = digits.parse().map_err(|_| invalid())?;
        if unit.is_empty() {
            return Err(invalid());
        }
        if !UNITS.iter().any(|(name, _)| *name == unit) {
            return Err(format!(
                "unknown unit {} in duration {}",
                quote(unit),
                quote(text)
            ));
        }
        let at = allowed.iter().position(|(name, _)| *name == unit);
        let at = at.ok_or_else(invalid)?;
        let length = count.checked_mul(allowed[at].1).ok_or_else(out_of_range)?;
        millis = millis.checked_add(length).ok_or_else(out_of_range)?;
        if millis > LONGEST_MILLIS {
            return Err(out_of_range());
        }
        allowed = &allowed[at + 1..];
        rest = behind;
    }
    Ok(millis as f64 / 1000.0)
}

fn split_at_end_of(text: &str, is_part: impl Fn(char) -> bool) -> (&str, &str) {
    let end = text.find(|c| !is_part(c)).unwrap_or(text.len());
    text.split_at(end)
}

/// The bytes of a string token whose escapes the lexer has found sound; these may name any.
pub(super) fn unquote(quoted: &str) -> Vec<u8> {
    let inner = &quoted[1..quoted.len() - 1];
    if quoted.starts_with('`') || !inner.contains('\\') {
        return inner.as_bytes().to_vec();
    }
    let mut bytes = Vec::with_capacity(inner.len());
    let mut rest = inner;
    while let Some(at) = rest.find('\\') {
        bytes.extend_from_slice(&rest.as_bytes()[..at]);
        let taken = unescape(&rest[at + 1..], &mut bytes);
        rest = &rest[at + 1 + taken..];
    }
    bytes.extend_from_slice(rest.as_bytes());
    bytes
}

/// Adds what an escape sequence stands for; how many bytes it has behind the backslash.
fn unescape(sequence: &str, bytes: &mut Vec<u8>) -> usize {
    let code = |from: usize, digits: usize, base: u32| {
        let text = sequence.get(from..from + digits).unwrap_or_default();
        u32::from_str_radix(text, base).unwrap_or_default()
    };
    let low_byte = |code: u32| code.to_le_bytes()[0];
    let simple = match sequence.as_bytes().first().copied().unwrap_or_default() {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0C,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0B,
        b'x' => {
            bytes.push(low_byte(code(1, 2, 16)));
            return 3;
        }
        b'0'..=b'7' => {
            bytes.push(low_byte(code(0, 3, 8)));
            return 3;
        }
        letter @ (b'u' | b'U') => {
            let digits = if letter == b'u' { 4 } else { 8 };
            let c = char::from_u32(code(1, digits, 16)).unwrap_or(char::REPLACEMENT_CHARACTER);
            bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            return 1 + digits;
        }
        // A backslash or a quote.
        other => other,
    };
    bytes.push(simple);
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        let cases = [
            ("1", 1.0),
            (".5", 0.5),
            ("5.", 5.0),
            ("1_000", 1000.0),
            ("1_000.2_5", 1000.25),
            ("0x1F", 31.0),
            ("0X_ff", 255.0),
            ("010", 8.0),
            ("08", 8.0),
            ("1e3", 1000.0),
            ("1E-3", 0.001),
            ("9223372036854775808", 9_223_372_036_854_775_808.0),
            ("iNf", f64::INFINITY),
        ];
        for (text, expected) in cases {
            assert_eq!(number(text), Ok(expected), "{text}");
        }
        assert!(number("NaN").unwrap().is_nan());
        for text in ["0x", "1e999", "1__0", "1_", "1_.5", "0xfffffffffffffffff"] {
            let message = number(text).unwrap_err();
            assert!(
                message.starts_with("error parsing number: strconv.ParseFloat: parsing \""),
                "{message}"
            );
        }
    }

    #[test]
    fn durations() {
        let cases = [
            ("5m", 300.0),
            ("1h30m", 5400.0),
            ("1y2w3d4h5m6s7ms", 33_019_506.007),
            ("0s", 0.0),
            ("150ms", 0.15),
        ];
        for (text, expected) in cases {
            assert_eq!(duration_seconds(text), Ok(expected), "{text}");
        }
        let refused = [
            ("5m1h", "not a valid duration string: \"5m1h\""),
            ("5m5m", "not a valid duration string: \"5m5m\""),
            ("5hs", "unknown unit \"hs\" in duration \"5hs\""),
            ("1.5h", "unknown unit \".\" in duration \"1.5h\""),
            ("300y", "duration out of range"),
            (
                "99999999999999999999y",
                "not a valid duration string: \"99999999999999999999y\"",
            ),
        ];
        for (text, expected) in refused {
            assert_eq!(duration_seconds(text), Err(expected.to_owned()), "{text}");
        }
    }

    #[test]
    fn strings() {
        let cases = [
            (r#""plain""#, "plain"),
            (r"'it\'s'", "it's"),
            (r"`raw\n`", r"raw\n"),
            (r#""\a\b\f\n\r\t\v\\\"""#, "\x07\x08\x0C\n\r\t\x0B\\\""),
            (r#""\x41\101é\U0001F600""#, "AAé😀"),
            (r#""\xc3\xa9""#, "é"),
        ];
        for (text, expected) in cases {
            assert_eq!(unquote(text), expected.as_bytes(), "{text}");
        }
        assert_eq!(unquote(r#""a\xff""#), b"a\xff");
    }
}
