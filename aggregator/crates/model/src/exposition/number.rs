//! Numbers as the formats write them.

use std::fmt::Write as _;

use crate::sample::Millis;

/// The NaN that is not a staleness marker.
const NORMAL_NAN: f64 = f64::from_bits(0x7ff8_0000_0000_0001);
/// Whole numbers of so many digits are exact as floating point.
const EXACT_DIGITS: usize = 15;

/// A sample's value: decimal, `NaN`, `Inf` or `Infinity` in any case. Not: hexadecimal numbers,
/// underscores, and numbers beyond the range of an `f64`.
pub(super) fn value(text: &str) -> Option<f64> {
    if let Some(value) = small_whole(text.as_bytes()) {
        return Some(value);
    }
    let value: f64 = text.parse().ok()?;
    if value.is_finite() {
        return Some(value);
    }
    if value.is_nan() {
        return text.starts_with(['n', 'N']).then_some(NORMAL_NAN);
    }
    let unsigned = text.trim_start_matches(['+', '-']);
    unsigned.starts_with(['i', 'I']).then_some(value)
}

/// Most values are counters: a few digits.
fn small_whole(text: &[u8]) -> Option<f64> {
    if text.is_empty() || text.len() > EXACT_DIGITS {
        return None;
    }
    let mut whole = 0u64;
    for byte in text {
        let digit = byte.wrapping_sub(b'0');
        if digit > 9 {
            return None;
        }
        whole = whole * 10 + u64::from(digit);
    }
    Some(whole as f64)
}

/// A time in seconds, fractions of a millisecond cut off.
pub(super) fn seconds(text: &str) -> Option<Millis> {
    let millis = value(text)? * 1000.0;
    if !millis.is_finite() || millis.abs() >= i64::MAX as f64 {
        return None;
    }
    #[expect(
        clippy::cast_possible_truncation,
        reason = "checked to lie within the range"
    )]
    let whole = millis as Millis;
    Some(whole)
}

/// A number as `OpenMetrics` writes it in `le` and `quantile`: `1.0`, `0.5`, `1e+06`, `+Inf`.
pub(super) fn canonical(text: &str) -> Option<String> {
    let value = value(text)?;
    if value.is_nan() {
        return Some("NaN".to_owned());
    }
    if value.is_infinite() {
        return Some(if value > 0.0 { "+Inf" } else { "-Inf" }.to_owned());
    }
    let exponential = format!("{value:e}");
    let (digits, exponent) = exponential.split_once('e')?;
    let exponent: i32 = exponent.parse().ok()?;
    // Outside of this range Go's shortest format has an exponent, and Go's is what everybody writes.
    if (-4..6).contains(&exponent) {
        let mut plain = format!("{value}");
        if !plain.contains('.') {
            plain.push_str(".0");
        }
        return Some(plain);
    }
    let sign = if exponent < 0 { '-' } else { '+' };
    let mut text = digits.to_owned();
    write!(text, "e{sign}{:02}", exponent.abs()).ok()?;
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::sample::is_stale;

    #[test]
    fn values() {
        let cases = [
            ("0", Some(0.0)),
            ("123456789012345", Some(123_456_789_012_345.0)),
            ("1234567890123456789", Some(1_234_567_890_123_456_789.0)),
            ("-1", Some(-1.0)),
            ("+1.5", Some(1.5)),
            (".5", Some(0.5)),
            ("5.", Some(5.0)),
            ("1e3", Some(1000.0)),
            ("4.9e-324", Some(4.9e-324)),
            ("1e-400", Some(0.0)),
            ("Inf", Some(f64::INFINITY)),
            ("+Inf", Some(f64::INFINITY)),
            ("-inf", Some(f64::NEG_INFINITY)),
            ("Infinity", Some(f64::INFINITY)),
            ("1e400", None),
            ("-1e400", None),
            ("0x10", None),
            ("0x1p4", None),
            ("1_000", None),
            ("-NaN", None),
            ("+nan", None),
            ("", None),
            (".", None),
            ("-", None),
            ("1 ", None),
            ("١", None),
        ];
        for (text, expected) in cases {
            assert_eq!(value(text), expected, "{text}");
        }
        assert_eq!(value("-0").map(f64::to_bits), Some((-0.0f64).to_bits()));
        for text in ["NaN", "nan", "NAN"] {
            let nan = value(text).unwrap();
            assert!(nan.is_nan() && !is_stale(nan));
            assert_eq!(nan.to_bits(), 0x7ff8_0000_0000_0001);
        }
    }

    #[test]
    fn times() {
        let cases = [
            ("1520879607.789", Some(1_520_879_607_789)),
            ("0", Some(0)),
            ("-1.5", Some(-1500)),
            ("0.0009", Some(0)),
            ("NaN", None),
            ("+Inf", None),
            ("1e300", None),
            ("x", None),
        ];
        for (text, expected) in cases {
            assert_eq!(seconds(text), expected, "{text}");
        }
    }

    #[test]
    fn canonical_numbers() {
        let cases = [
            ("1", Some("1.0")),
            ("0", Some("0.0")),
            ("-1", Some("-1.0")),
            ("0.50", Some("0.5")),
            ("1e-4", Some("0.0001")),
            ("0.00001", Some("1e-05")),
            ("100000", Some("100000.0")),
            ("1000000", Some("1e+06")),
            ("123456789", Some("1.23456789e+08")),
            ("2.5e21", Some("2.5e+21")),
            ("inf", Some("+Inf")),
            ("-Inf", Some("-Inf")),
            ("nan", Some("NaN")),
            ("a", None),
        ];
        for (text, expected) in cases {
            assert_eq!(canonical(text).as_deref(), expected, "{text}");
        }
    }
}
