//! Durations and sizes as Prometheus writes them.

use std::fmt::Write as _;
use std::time::Duration;

/// The units of a duration in milliseconds, in the order in which they must be written.
const UNITS: [(&str, u64); 7] = [
    ("y", 365 * 24 * 3_600_000),
    ("w", 7 * 24 * 3_600_000),
    ("d", 24 * 3_600_000),
    ("h", 3_600_000),
    ("m", 60_000),
    ("s", 1_000),
    ("ms", 1),
];

/// The longest duration, in milliseconds: what fits Prometheus' 64-bit nanoseconds.
const MAX_MILLIS: u64 = i64::MAX as u64 / 1_000_000;

/// Reads `1h30m`, `15s`, `0`: whole numbers with units, largest first, each unit once.
///
/// The error says what is wrong with the text and what to write.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    if text.is_empty() {
        return Err("an empty duration; write one like 15s or 1m30s".to_owned());
    }
    if text.contains(char::is_whitespace) {
        let together: String = text.split_whitespace().collect();
        return Err(format!("a space in {text:?}; write {together}"));
    }
    let mut rest = text;
    let mut next_unit = 0;
    let mut total = 0u64;
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(format!(
                "no number in {text:?}; write a duration like 15s or 1m30s"
            ));
        }
        let (number, after) = rest.split_at(digits);
        let letters = after
            .find(|c: char| c.is_ascii_digit())
            .unwrap_or(after.len());
        let (unit, after) = after.split_at(letters);
        if unit.is_empty() {
            return Err(format!("no unit in {text:?}; write {text}s for seconds"));
        }
        if unit.starts_with(['.', ',']) {
            return Err(format!(
                "a fraction in {text:?}; write whole numbers like 1m30s or 500ms"
            ));
        }
        let Some(at) = UNITS.iter().position(|(name, _)| *name == unit) else {
            return Err(format!(
                "unknown unit in {text:?}; use ms, s, m, h, d, w or y"
            ));
        };
        if at < next_unit {
            return Err(format!(
                "units out of order in {text:?}; write the largest first, each once: y w d h m s ms"
            ));
        }
        next_unit = at + 1;
        total = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(UNITS[at].1))
            .and_then(|part| total.checked_add(part))
            .filter(|total| *total <= MAX_MILLIS)
            .ok_or_else(|| format!("{text:?} is too long; the longest duration is 292y"))?;
        rest = after;
    }
    Ok(Duration::from_millis(total))
}

/// Writes a duration so that [`parse_duration`] reads it back, to the millisecond: `1h30m`, `0s`.
///
/// Years and weeks are used only when nothing is left over, as Prometheus does.
#[must_use]
pub fn format_duration(duration: Duration) -> String {
    let mut rest = u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
    if rest == 0 {
        return "0s".to_owned();
    }
    let mut text = String::new();
    for (unit, millis) in UNITS {
        if matches!(unit, "y" | "w") && !rest.is_multiple_of(millis) {
            continue;
        }
        if rest >= millis {
            let _ = write!(text, "{}{unit}", rest / millis);
            rest %= millis;
        }
    }
    text
}

/// Reads `512MB`, `1.5GiB`, `0`: bytes in units of 1024, however they are spelled.
///
/// # Errors
/// What is wrong with the text, and how to write it.
pub fn parse_bytes(text: &str) -> Result<u64, String> {
    const REMEDY: &str = "write a size like 512KB, 10MB or 1GB";
    if text == "0" {
        return Ok(0);
    }
    let number_end = text
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(text.len());
    let (number, unit) = text.split_at(number_end);
    if unit.is_empty() && !number.is_empty() {
        return Err(format!("no unit in {text:?}; write {number}B for bytes"));
    }
    let shift = match unit {
        "B" => 0,
        "KB" | "KiB" => 10,
        "MB" | "MiB" => 20,
        "GB" | "GiB" => 30,
        "TB" | "TiB" => 40,
        "PB" | "PiB" => 50,
        "EB" | "EiB" => 60,
        _ => return Err(format!("not a size: {text:?}; {REMEDY}")),
    };
    let bytes = match number.parse::<u64>() {
        Ok(whole) => whole.checked_mul(1 << shift),
        Err(_) => number
            .parse::<f64>()
            .ok()
            .map(|number| number * (1u64 << shift) as f64)
            .filter(|bytes| bytes.is_finite() && *bytes < i64::MAX as f64)
            .map(whole_part),
    };
    bytes
        .filter(|bytes| i64::try_from(*bytes).is_ok())
        .ok_or_else(|| format!("not a size below 8EiB: {text:?}; {REMEDY}"))
}

fn whole_part(bytes: f64) -> u64 {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked to lie within 0 and 2^63; the fraction of a byte is dropped"
    )]
    let whole = bytes as u64;
    whole
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn durations() {
        let cases = [
            ("0", Ok(0)),
            ("0s", Ok(0)),
            ("15s", Ok(15_000)),
            ("1m30s", Ok(90_000)),
            ("1y2w3d4h5m6s7ms", Ok(33_019_506_007)),
            ("500ms", Ok(500)),
            ("", Err("an empty duration; write one like 15s or 1m30s")),
            ("15", Err("no unit in \"15\"; write 15s for seconds")),
            (
                "15x",
                Err("unknown unit in \"15x\"; use ms, s, m, h, d, w or y"),
            ),
            (
                "1.5h",
                Err("a fraction in \"1.5h\"; write whole numbers like 1m30s or 500ms"),
            ),
            ("1m 30s", Err("a space in \"1m 30s\"; write 1m30s")),
            (
                "-5s",
                Err("no number in \"-5s\"; write a duration like 15s or 1m30s"),
            ),
            (
                "5s1m",
                Err(
                    "units out of order in \"5s1m\"; write the largest first, each once: y w d h m s ms",
                ),
            ),
            (
                "1s1s",
                Err(
                    "units out of order in \"1s1s\"; write the largest first, each once: y w d h m s ms",
                ),
            ),
            (
                "300y",
                Err("\"300y\" is too long; the longest duration is 292y"),
            ),
            (
                "99999999999999999999s",
                Err("\"99999999999999999999s\" is too long; the longest duration is 292y"),
            ),
        ];
        for (text, expected) in cases {
            let expected = expected.map(Duration::from_millis).map_err(str::to_owned);
            assert_eq!(parse_duration(text), expected, "{text}");
        }
    }

    #[test]
    fn durations_are_written_in_the_largest_units() {
        let cases = [
            (0, "0s"),
            (15_000, "15s"),
            (90_000, "1m30s"),
            (604_800_000, "1w"),
            (8 * 86_400_000, "8d"),
            (1, "1ms"),
        ];
        for (millis, text) in cases {
            assert_eq!(format_duration(Duration::from_millis(millis)), text);
        }
    }

    #[test]
    fn sizes() {
        let cases = [
            ("0", Ok(0)),
            ("7B", Ok(7)),
            ("10MB", Ok(10 << 20)),
            ("10MiB", Ok(10 << 20)),
            ("1.5KB", Ok(1536)),
            ("100", Err("no unit in \"100\"; write 100B for bytes")),
            (
                "MB",
                Err("not a size below 8EiB: \"MB\"; write a size like 512KB, 10MB or 1GB"),
            ),
            (
                "5 MB",
                Err("not a size: \"5 MB\"; write a size like 512KB, 10MB or 1GB"),
            ),
            (
                "-1MB",
                Err("not a size: \"-1MB\"; write a size like 512KB, 10MB or 1GB"),
            ),
            (
                "9EB",
                Err("not a size below 8EiB: \"9EB\"; write a size like 512KB, 10MB or 1GB"),
            ),
        ];
        for (text, expected) in cases {
            assert_eq!(parse_bytes(text), expected.map_err(str::to_owned), "{text}");
        }
    }

    proptest! {
        #[test]
        fn a_written_duration_comes_back(millis in 0..MAX_MILLIS) {
            let duration = Duration::from_millis(millis);
            prop_assert_eq!(parse_duration(&format_duration(duration)), Ok(duration));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "\\PC{0,20}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }

        #[test]
        fn nearly_right_texts_are_read_or_refused(text in "[0-9.ywdhmsKMGiB]{0,12}") {
            let _ = parse_duration(&text);
            let _ = parse_bytes(&text);
        }
    }
}
