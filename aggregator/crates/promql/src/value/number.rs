//! Floats as text, the way Go prints them: what users of Prometheus compare with, label by label.

use std::fmt::Write;

/// Below this, every integral float is exact and prints as an integer.
const EXACT: f64 = 9_007_199_254_740_992.0;

/// Writes the value as the HTTP API does: shortest digits that read back the same, an exponent of
/// at least two digits outside of `1e-6..1e21`, `NaN`, `+Inf`, `-Inf`.
pub fn write_value(out: &mut String, value: f64) {
    let size = value.abs();
    if size == 0.0 || (1e-6..1e21).contains(&size) || !size.is_finite() {
        write_decimal(out, value);
    } else {
        write_exponent(out, value);
    }
}

/// Writes the value without an exponent, however long it gets: `1e300` has 301 digits.
pub fn write_decimal(out: &mut String, value: f64) {
    let size = value.abs();
    if size < EXACT && size.fract() == 0.0 && value.to_bits() != (-0.0_f64).to_bits() {
        #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
        let whole = value as i64;
        write_text(out, format_args!("{whole}"));
        return;
    }
    if (1e-4..EXACT).contains(&size) {
        let mut buffer = zmij::Buffer::new();
        let text = buffer.format_finite(value);
        // Within these bounds it needs no exponent, but that is not promised.
        if !text.contains('e') {
            out.push_str(text);
            return;
        }
    }
    if value.is_nan() {
        out.push_str("NaN");
    } else if value.is_infinite() {
        out.push_str(if value > 0.0 { "+Inf" } else { "-Inf" });
    } else {
        write_text(out, format_args!("{value}"));
    }
}

/// The value without an exponent.
pub(crate) fn shortest(value: f64) -> String {
    let mut out = String::new();
    write_decimal(&mut out, value);
    out
}

/// The value as Go's `%g` and `%v`: an exponent from seven digits on.
pub(crate) fn verb_g(value: f64) -> String {
    let text = format!("{value:e}");
    let exponent = text.split_once('e').and_then(|(_, e)| e.parse().ok());
    let mut out = String::new();
    match exponent {
        Some(exponent) if value != 0.0 && !(-4..6).contains(&exponent) => {
            write_exponent(&mut out, value);
        }
        _ => write_decimal(&mut out, value),
    }
    out
}

/// The value as OpenMetrics has it in labels: never without a dot or an exponent.
pub(crate) fn of_label(value: f64) -> String {
    let mut text = verb_g(value);
    if value.is_finite() && !text.contains(['.', 'e']) {
        text.push_str(".0");
    }
    text
}

/// The value as Go's `%f`: six decimals.
pub(crate) fn verb_f(value: f64) -> String {
    if value.is_finite() {
        format!("{value:.6}")
    } else {
        shortest(value)
    }
}

/// Writes the value as Go's `%e` with the fewest digits: `1e+00`; `NaN`, `+Inf`, `-Inf`.
pub fn write_exponent(out: &mut String, value: f64) {
    if !value.is_finite() {
        return write_decimal(out, value);
    }
    let start = out.len();
    write_text(out, format_args!("{value:e}"));
    let Some(at) = out[start..].find('e') else {
        return;
    };
    let exponent = out.split_off(start + at + 1);
    let (sign, digits) = match exponent.strip_prefix('-') {
        Some(digits) => ('-', digits),
        None => ('+', exponent.as_str()),
    };
    write_text(out, format_args!("{sign}{digits:0>2}"));
}

fn write_text(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a string cannot fail.
    let _ = out.write_fmt(text);
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn api(value: f64) -> String {
        let mut out = String::new();
        write_value(&mut out, value);
        out
    }

    #[test]
    fn values_as_the_http_api_writes_them() {
        let cases = [
            (0.0, "0"),
            (-0.0, "-0"),
            (1.0, "1"),
            (-17.0, "-17"),
            (1.5, "1.5"),
            (0.1 + 0.2, "0.30000000000000004"),
            (1e-6, "0.000001"),
            (1e-7, "1e-07"),
            (-2.5e-7, "-2.5e-07"),
            (5e-324, "5e-324"),
            (9_007_199_254_740_993.0, "9007199254740992"),
            (1_647_171_713_055_161.2, "1647171713055161.2"),
            (1e20, "100000000000000000000"),
            (1e21, "1e+21"),
            (1.25e300, "1.25e+300"),
            (f64::NAN, "NaN"),
            (f64::INFINITY, "+Inf"),
            (f64::NEG_INFINITY, "-Inf"),
        ];
        for (value, expected) in cases {
            assert_eq!(api(value), expected);
        }
    }

    #[test]
    fn verbs_of_messages() {
        let cases = [
            (1.5, "1.5", "1.500000"),
            (100_000.0, "100000", "100000.000000"),
            (1_000_000.0, "1e+06", "1000000.000000"),
            (1_234_567.0, "1.234567e+06", "1234567.000000"),
            (0.000_01, "1e-05", "0.000010"),
            (f64::NAN, "NaN", "NaN"),
            (-1.0, "-1", "-1.000000"),
            (0.0, "0", "0.000000"),
        ];
        for (value, g, f) in cases {
            assert_eq!([verb_g(value), verb_f(value)], [g, f]);
        }
    }

    #[test]
    fn decimals_have_no_exponent() {
        assert_eq!(shortest(1e300).len(), 301);
        assert_eq!(shortest(1e-7), "0.0000001");
    }

    proptest! {
        #[test]
        fn what_is_written_reads_back(bits in any::<u64>()) {
            let value = f64::from_bits(bits);
            let back: f64 = api(value).parse().unwrap();
            prop_assert!(back.to_bits() == bits || (back.is_nan() && value.is_nan()));
        }

        #[test]
        fn usual_values_are_written_like_decimals(value in prop_oneof![
            -1e3..1e3_f64,
            1e-6..1e-2_f64,
            1e12..1e17_f64,
            (-1_000_000..1_000_000).prop_map(|hundredths| f64::from(hundredths) / 100.0),
        ]) {
            let (text, usual) = (api(value), value.to_string());
            prop_assert!(!text.contains('e') && text.len() == usual.len(), "{text}, not {usual}");
            prop_assert_eq!(text.parse(), Ok(value));
        }
    }
}
