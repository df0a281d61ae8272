use std::fmt::Write as _;

use system_stats_model::sample::Millis;

/// Units with their milliseconds, and whether they are used for whole multiples only: 90d reads
/// better than 12w6d.
const UNITS: [(&str, u64, bool); 7] = [
    ("y", 365 * 24 * 3_600_000, true),
    ("w", 7 * 24 * 3_600_000, true),
    ("d", 24 * 3_600_000, false),
    ("h", 3_600_000, false),
    ("m", 60_000, false),
    ("s", 1000, false),
    ("ms", 1, false),
];

/// A length of time as durations are written, `1h30m`; below zero with a sign.
#[must_use]
pub fn format_duration(millis: Millis) -> String {
    if millis == 0 {
        return "0s".to_owned();
    }
    let mut rest = millis.unsigned_abs();
    let mut text = String::from(if millis < 0 { "-" } else { "" });
    for (unit, length, whole_only) in UNITS {
        if rest < length || (whole_only && !rest.is_multiple_of(length)) {
            continue;
        }
        // Writing to a string cannot fail.
        let _ = write!(text, "{}{unit}", rest / length);
        rest %= length;
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn large_units_only_when_they_fit() {
        let day = 24 * 3_600_000;
        let cases = [
            (0, "0s"),
            (1, "1ms"),
            (90_061_001, "1d1h1m1s1ms"),
            (14 * day, "2w"),
            (90 * day, "90d"),
            (365 * day, "1y"),
            (366 * day, "366d"),
            (372 * day, "372d"),
            (-300_000, "-5m"),
        ];
        for (millis, expected) in cases {
            assert_eq!(format_duration(millis), expected);
        }
    }
}
